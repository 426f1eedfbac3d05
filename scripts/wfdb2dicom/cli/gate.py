"""Show the summary of a run, and fail when too many of its studies did.

exit status:
  0  no more studies failed than --max-failed allows
  1  too many studies failed, or the summary cannot be read
  2  wrong arguments

example:
  wfdb2dicom gate results/summary.json results/gate.txt --max-failed 0.1
"""

import argparse
import os
import sys
from pathlib import Path

from wfdb2dicom.results.summary import failure_message, read_summary, summary_text
from wfdb2dicom.system.whole_file import replace_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("summary", type=Path, help="the JSON file that aggregate writes")
    parser.add_argument("passed", type=Path, help="file to write if not too many failed")
    parser.add_argument("--max-failed", type=float, default=0.05, help="share of the studies that may fail")
    parser.add_argument("--report", default="", help="page to name at the end")
    parser.add_argument("--folder", default="", help="folder to put in front of all relative paths that are shown")


def run(args: argparse.Namespace) -> int:
    """Judge."""
    summary = read_summary(args.summary)
    page = f"\nreport: {os.path.join(args.folder, args.report)}" if args.report else ""
    text = summary_text(summary, args.max_failed, args.folder) + page
    print(text)
    failure = failure_message(summary, args.max_failed, args.folder)
    if failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    replace_file(args.passed, (text.lstrip() + "\n").encode("utf-8", "surrogateescape"))
    return 0
