"""Misfortune for a batch job, loaded by every Python that has this folder on its PYTHONPATH.

A file ``<batch>.<n>`` in the folder WFDB2DICOM_TEST_FAULTS holds one word for the n-th try of that batch to go wrong.
The worker that is about to put its 100th DICOM in place then writes ``<batch>.<n>.hit`` and waits until the file
``release`` appears (``hold``), or takes memory until it is killed (``memory``).

Snakemake itself looks at its jobs every two seconds: the Slurm plugin waits ten seconds longer after each look that
finds no job done, up to three minutes, which spares a controller and not our time.
"""

import os
import sys
import time
from pathlib import Path

GOOD_FILES = 100
LONGEST_SLEEP = 2  # seconds between two looks


def _arm(marker: Path, word: str, faults: Path) -> None:
    files = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal files
        if event != "os.rename" or not str(arguments[1]).endswith(".dcm"):
            return
        files += 1
        if files != GOOD_FILES:
            return
        marker.with_name(f"{marker.name}.hit").touch()
        hoard = []
        while not (faults / "release").exists():
            if word == "memory":
                hoard.append(b"x" * 60_000_000)
            time.sleep(0.2)

    sys.addaudithook(watch)


def _look() -> None:
    faults = os.environ.get("WFDB2DICOM_TEST_FAULTS")
    if not faults or not any(argument.endswith("convert-batch") for argument in sys.orig_argv):
        return
    batch = Path(sys.orig_argv[-1]).stem
    for marker in sorted(path for path in Path(faults).glob(f"{batch}.?")):
        taken = marker.with_name(f"{marker.name}.taken")
        try:
            marker.rename(taken)
        except FileNotFoundError:  # another try of this batch was faster
            continue
        _arm(marker, taken.read_text().strip(), Path(faults))
        return


def _look_at_jobs_often() -> None:
    if "snakemake" not in sys.orig_argv or "--mode" in sys.orig_argv:  # a job is a Snakemake with a mode
        return
    import asyncio

    sleep = asyncio.sleep
    asyncio.sleep = lambda seconds, *result: sleep(min(seconds, LONGEST_SLEEP), *result)


_look()
_look_at_jobs_often()
