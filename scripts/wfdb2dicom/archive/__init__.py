"""Sending objects to a DICOM archive, by STOW-RS or by C-STORE."""
