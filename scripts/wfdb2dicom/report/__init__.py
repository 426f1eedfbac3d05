"""The report of a run: one HTML file that needs nothing besides itself."""

from wfdb2dicom.report.html import Request, run

__all__ = ["Request", "run"]
