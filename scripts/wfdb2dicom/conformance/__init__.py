"""The checker of DICOM ECG objects, written apart from the encoder: an error in one shows in the other.

`checker` holds an object against the tables of `standard`, by `attributes`, `waveform` and `annotations`; `source`
compares it with the WFDB record, as wfdb reads that. Others use `checker.check_file`, `checker.check_parsed`,
`source.check_source` and `attributes.Violation`.
"""
