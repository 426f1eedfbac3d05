"""An ECG read back from its DICOM, and the page that it is drawn on."""
