"""Write what a published data set needs beside its DICOM objects: data card, licence, digests, croissant.json.

exit status:
  0  every file is there and up to date
  1  the run is not complete, or the configuration lacks a required value; nothing is written
  2  wrong arguments

example:
  wfdb2dicom publish --dcm-dir dicom --wfdb-dir . --plans results/plan --receipts results/receipts \\
      --manifest results/manifest.parquet --summary results/summary.json --state results/.publication.json \\
      --max-failed 0.1 --publish '{"name": "Demo", "license": "MIT", "license_url": "https://opensource.org/license/mit"}'
"""

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

from wfdb2dicom.cli import startup
from wfdb2dicom.publish import PublishOptions, publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line; the options mean what config.yaml says of those of the same name."""
    parser.add_argument("--dcm-dir", required=True, help="folder of the objects, into which the files are written")
    parser.add_argument("--wfdb-dir", required=True)
    parser.add_argument("--plans", type=Path, required=True, help="folder of the plan files")
    parser.add_argument("--receipts", type=Path, required=True, help="folder of the receipts")
    parser.add_argument("--manifest", type=Path, required=True, help="the Parquet file that aggregate writes")
    parser.add_argument("--summary", type=Path, required=True, help="the JSON file that aggregate writes")
    parser.add_argument("--digests", type=Path, help="the digests of both that aggregate writes")
    parser.add_argument("--state", type=Path, required=True, help="file for the digests of what is written")
    parser.add_argument("--publish", type=json.loads, default={}, help="the option publish as JSON")
    parser.add_argument("--max-failed", type=float, default=0.05, help="share of the studies that may fail")
    parser.add_argument("--folder", default="", help="folder to put in front of dcm_dir in the message at the end")
    parser.add_argument("--workers", type=int, default=1, help="processes that verify, if publish requires it")


def run(args: argparse.Namespace) -> int:
    """Publish."""
    startup.without_pandas()
    options = vars(args)
    seen_from = options.pop("folder")
    published = publish(PublishOptions(**options))
    print(replace(published, folder=os.path.join(seen_from, published.folder)))
    return 0
