"""Whether all plan files, receipts, source files and DICOMs agree: `wfdb2dicom.watch` asks for each batch.

For a large data set this is a command of its own (``python -m wfdb2dicom.look``), because many processes then look at
the same time, and Snakemake's main process, which has threads, must not be forked.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from wfdb2dicom import watch
from wfdb2dicom.parallel import FEW, LOOKERS, each
from wfdb2dicom.tables import PLANNED_BYTES


def differs(plans: Path, receipts: Path, retry_failed: str, watch_files: bool, processes: int = 1) -> bool:
    """Whether anything of any batch is not as its plan file or receipt says; the first difference is enough."""
    paths = sorted(plans.glob("*.tsv"))

    def look(plan: Path) -> bool:
        return watch.differs(plan, receipts / plan.name, retry_failed, watch_files=watch_files)

    return any(each(look, paths, processes))


def differs_quickly(plans: Path, receipts: Path, retry_failed: str, watch_files: bool) -> bool:
    """The same from within a process that must not be forked."""
    if sum(path.stat().st_size for path in plans.glob("*.tsv")) < FEW * PLANNED_BYTES:
        return differs(plans, receipts, retry_failed, watch_files)
    command = [sys.executable, "-m", "wfdb2dicom.look", str(plans), str(receipts), retry_failed]
    places = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, places))}
    done = subprocess.run(
        [*command, *(["--watch-files"] if watch_files else [])], env=environment, capture_output=True, text=True
    )
    return done.stdout != "agree\n"  # one that failed has not seen that they do, and the next plan looks again


def main() -> None:
    """Look, and say ``agree`` or ``differ``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plans", type=Path)
    parser.add_argument("receipts", type=Path)
    parser.add_argument("retry_failed", choices=["transient", "all", "none"])
    parser.add_argument("--watch-files", action="store_true")
    print("differ" if differs(**vars(parser.parse_args()), processes=LOOKERS) else "agree")


if __name__ == "__main__":
    main()
