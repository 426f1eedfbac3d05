"""The DICOM object: its values, and their bytes. docs/conversion.md is its specification.

`mapping` goes from a WFDB header, an acquisition and `options` to the values of an object (`attributes`), with the help
of `patient`, `recording_time`, `leads`, `sop_classes`, `annotations` and `uids`. `stored_samples` gives the samples as
the object stores them, `template` and `elements` the bytes before them. On the way back, `part10` parses a file,
`stated_changes` reads how an object says that it differs from its record, and `restore` makes the WFDB record again.
"""
