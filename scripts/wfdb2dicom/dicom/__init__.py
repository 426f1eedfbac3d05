"""The DICOM object: its attributes, classes, leads and UIDs, and their bytes."""
