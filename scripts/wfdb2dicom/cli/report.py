"""Write the report of a run: one HTML file.

exit status:
  0  the page is written
  1  a table cannot be read, or the page cannot be written
  2  wrong arguments

example:
  wfdb2dicom report --summary results/summary.json --manifest results/manifest.parquet --receipts \\
      results/receipts results/report.html
"""

import argparse
from pathlib import Path

from wfdb2dicom import report
from wfdb2dicom.cli import startup


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("page", type=Path, help="the HTML file to write")
    parser.add_argument("--summary", type=Path, required=True, help="the JSON file that aggregate writes")
    parser.add_argument("--manifest", type=Path, required=True, help="the Parquet file that aggregate writes")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--max-failed", type=float, help="the share that may fail, default: that of the summary")


def run(args: argparse.Namespace) -> int:
    """Report."""
    startup.without_pandas()
    report.write_report(report.ReportOptions(**vars(args)))
    return 0
