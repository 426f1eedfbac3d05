"""The checker of DICOM ECG objects, which shares nothing with the encoder."""
