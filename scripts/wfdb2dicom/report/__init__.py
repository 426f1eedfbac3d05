"""The report of a run: one HTML file that needs nothing besides itself, and a CSV of all studies worth a look.

data reads the manifest, flags finds the studies worth a look, charts and pictures draw, html puts the page together.
Others use what is named here.
"""

from wfdb2dicom.report.html import ReportOptions, write_report

__all__ = ["ReportOptions", "write_report"]
