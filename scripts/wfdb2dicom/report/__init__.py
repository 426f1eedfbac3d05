"""The report of a run: one HTML file that needs nothing besides itself."""

from wfdb2dicom.report.page import Request, run

__all__ = ["Request", "run"]
