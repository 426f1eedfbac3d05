"""Send the DICOM objects of a batch to an archive (batch), or add up the results of all batches (summary).

Credentials come only from the environment: WFDB2DICOM_ARCHIVE_USER and WFDB2DICOM_ARCHIVE_PASSWORD,
WFDB2DICOM_ARCHIVE_TOKEN, or WFDB2DICOM_ARCHIVE_TOKEN_COMMAND; see docs/archive.md.

exit status:
  0  the table or the summary is written; an object that was refused is a row of the table
  1  the archive cannot be used, or the summary counts objects that are not in it
  2  wrong arguments

example:
  wfdb2dicom send batch --archive '{"url": "http://localhost:8042/dicom-web"}' --dcm-dir dicom --journals \\
      results/store/journal results/receipts/001-000.tsv results/store/001-000.tsv
  wfdb2dicom send summary results/store/summary.json results/store/001-000.tsv
"""

import argparse
import json
import sys
from pathlib import Path

from wfdb2dicom.archive.connect import connect
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.send import send_batch
from wfdb2dicom.archive.sent_table import summarize
from wfdb2dicom.archive.settings import parse_archive
from wfdb2dicom.errors import ConfigError, mask_patient
from wfdb2dicom.system.whole_file import replace_file

_EXAMPLES = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    commands = parser.add_subparsers(required=True)
    batch = commands.add_parser("batch", help="send the objects of one batch")
    batch.add_argument("receipt", type=Path, help="receipt of the converted batch")
    batch.add_argument("table", type=Path, help="table to write, a row per object")
    batch.add_argument("--archive", type=json.loads, required=True, help="the configuration key archive, as JSON")
    batch.add_argument("--dcm-dir", required=True, help="folder of the DICOM files")
    batch.add_argument("--journals", type=Path, required=True, help="folder of the journals, to resume from")
    batch.add_argument("--token", default="", help="kept in the table")
    batch.add_argument("--run", default="", help="names the run, whose jobs stop together when a log-in is refused")
    batch.set_defaults(command=send)
    total = commands.add_parser("summary", help="add up all batches; exit status 1 when objects are not in the archive")
    total.add_argument("summary", type=Path, help="JSON file to write")
    total.add_argument("tables", type=Path, nargs="*", help="tables of the batches")
    total.set_defaults(command=summary)


def send(args: argparse.Namespace) -> int:
    """Send one batch; an object that is refused is a row of the table, and not a failure here."""
    archive = parse_archive(args.archive)
    if archive is None:
        raise ConfigError("archive: empty, so there is nowhere to send to")
    credentials = Credentials.from_environment()
    if credentials and not archive.encrypted:
        print(f"warning: {archive} is not encrypted, so the credentials can be read on the way", file=sys.stderr)
    client = connect(archive, credentials)
    try:
        totals = send_batch(
            args.receipt, args.table, args.journals, args.dcm_dir, archive, client, token=args.token, run=args.run
        )
    finally:
        client.close()
    print(totals)
    return 0


def summary(args: argparse.Namespace) -> int:
    """Add up; objects that are not in the archive are this command's failure."""
    counts, rows = summarize(args.tables)
    objects = sum(counts.values()) - counts["superseded"]
    print(f"store: {objects - len(rows) - counts['accepted']} of {objects} objects are in the archive")
    if counts["accepted"]:
        print(f"store: {counts['accepted']} accepted, not confirmed: the archive cannot be asked what it has")
    if counts["superseded"]:
        print(f"store: {counts['superseded']} sent earlier are superseded and still there (status superseded)")
    if rows:
        print(f"error: {len(rows)} of {objects} objects are not in the archive; for example", file=sys.stderr)
        for row in rows[:_EXAMPLES]:
            print(f"  study {row.study_id}: {row.status}: {mask_patient(row.detail)}", file=sys.stderr)
        print("run the same command again to send them", file=sys.stderr)
        return 1
    replace_file(args.summary, (json.dumps(dict(sorted(counts.items())), indent=2) + "\n").encode())
    return 0


def run(args: argparse.Namespace) -> int:
    """Send, or add up."""
    return int(args.command(args))
