"""Run the workflow: convert the studies of a CSV with Snakemake.

This is `snakemake --snakefile <the installed Snakefile> ...`: every option of Snakemake may follow, and targets such as
verify, validate or store. Results are written below the current folder. It needs the extra: pip install
'wfdb2dicom[workflow]'.

exit status:
  0  every step is done, and no more studies failed than max_failed allows
  1  a step failed, or too many studies did
  2  wrong arguments

example:
  wfdb2dicom run --configfile mine.yaml --cores 2
"""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from wfdb2dicom.errors import ConfigError

TAKES_ANY_ARGUMENTS = True  # Snakemake checks them


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.add_argument("arguments", nargs="*", metavar="...", help="options of Snakemake, and targets")


def snakefile() -> Path:
    """The Snakefile of a clone, or the one in the wheel."""
    package = Path(__file__).resolve().parent.parent
    places = (package.parent.parent / "Snakefile", package / "_workflow" / "Snakefile")
    for place in places:
        if place.is_file() and (place.parent / "workflow" / "Snakefile").is_file():
            return place
    raise ConfigError(f"there is no Snakefile in {places[1].parent}; install wfdb2dicom again")


def run(args: argparse.Namespace) -> int:
    """Become Snakemake, so that a signal to this process reaches the run."""
    if find_spec("snakemake") is None:
        raise ConfigError("Snakemake is not installed; run: pip install 'wfdb2dicom[workflow]'")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile()), *args.arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, command)
