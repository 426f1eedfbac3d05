"""WFDB records to DICOM ECG waveform objects: exact samples, valid objects, every failure accounted for."""

__version__ = "0.1.0"
