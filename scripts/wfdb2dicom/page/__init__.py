"""An ECG read back from its DICOM object: as numbers (`ecg`) or as a page.

`layout` says where things go on a page and `content` what they are; `draw` makes PNG, PDF and SVG of it, `small_svg` an
SVG of few bytes for the report. Nothing here needs the record or the workflow.
"""
