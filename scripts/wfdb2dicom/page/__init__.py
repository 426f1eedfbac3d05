"""An ECG read back from its DICOM object: as numbers (`ecg`), a page (`layout`, `draw`) or a WFDB record (`restore`).

Nothing here needs the record or the workflow.
"""
