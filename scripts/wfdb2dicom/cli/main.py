"""The command `wfdb2dicom`: finds the module of a subcommand, and turns errors into a message and an exit status.

A module of a subcommand has a docstring, which is its help, ``add_arguments(parser)`` and ``run(args)``, which returns
the exit status. It is imported only when its subcommand is asked for, because a batch job takes 0.15 s to start.
"""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import NoReturn

from wfdb2dicom import __version__
from wfdb2dicom.cli.startup import INTERRUPTED, WrongArguments, exit_without_cleaning, show_foreign_text, start

COMMANDS = {
    "convert": "convert one WFDB record to a DICOM file",
    "info": "describe a WFDB record or a DICOM ECG object",
    "check": "check DICOM ECG objects, also for what other validators do not look at",
    "restore": "restore the WFDB record from a DICOM ECG object",
    "draw": "draw the ECG of a DICOM object as a page",
    "run": "run the workflow with Snakemake: convert the studies of a CSV",
}
STAGES = {
    "plan": "divide the studies of a CSV into batches",
    "convert-batch": "convert the studies of one plan file and write their receipt",
    "convert-study": "convert one study of a plan file",
    "aggregate": "combine the receipts into the result CSV, error log, manifest and summary",
    "report": "write the report of a run",
    "gate": "show the summary of a run, and fail when too many studies failed",
    "freshness": "check whether files, plan and receipts agree",
    "verify": "compare every DICOM on disk with its receipt and its source",
    "validate": "validate a sample of the DICOM objects",
    "roundtrip": "restore the WFDB files of a sample and compare them with the published digests",
    "findings": "join the tables of validate or roundtrip and show the summary",
    "publish": "write the files that a published data set needs beside its DICOM objects",
    "send": "send the DICOM objects of a batch to an archive",
}
USAGE = """usage: wfdb2dicom COMMAND ...

Convert WFDB ECG records to DICOM ECG objects.

commands:
{commands}

stages of the workflow, called by its rules:
{stages}

`wfdb2dicom COMMAND --help` describes a command; `wfdb2dicom --version` prints the version.
Exit status: 0 done, 1 not done or findings, 2 wrong arguments.
"""


class _Parser(argparse.ArgumentParser):
    """A parser that names the target to a user who calls the stage of the same name by hand."""

    def error(self, message: str) -> NoReturn:
        from wfdb2dicom.cli.terminal import TARGETS  # only here: it takes a while to import

        stage = self.prog.split()[1]
        if stage in TARGETS:
            message += f"; this is the stage, the target is: wfdb2dicom run ... {stage}"
        super().error(message)


def usage() -> str:
    """The help of `wfdb2dicom` itself."""

    def listed(commands: dict[str, str]) -> str:
        return "\n".join(f"  {name:14} {words}" for name, words in commands.items())

    return USAGE.format(commands=listed(COMMANDS), stages=listed(STAGES))


def run(arguments: list[str]) -> int:
    """Run a subcommand.

    Parameters
    ----------
    arguments : list of str
        The command line without the program's name.

    Returns
    -------
    int
        Exit status: 0 done, 1 not done or findings, 2 wrong arguments.
    """
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help", "help"):
        print(usage(), end="")
        return 0
    if name in ("-V", "--version"):
        print(f"wfdb2dicom {__version__}")
        return 0
    if name not in COMMANDS and name not in STAGES:
        from difflib import get_close_matches  # only here: it takes a while to import

        near = get_close_matches(name, COMMANDS, 1)
        meant = f"; did you mean {near[0]}?" if near else "."
        print(f"error: there is no command {name!r}{meant} `wfdb2dicom --help` lists all", file=sys.stderr)
        return 2
    module = import_module(f"wfdb2dicom.cli.{name.replace('-', '_')}")
    parser = _Parser(
        f"wfdb2dicom {name}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    if getattr(module, "TAKES_ANY_ARGUMENTS", False) and not {"-h", "--help"} & set(rest):
        args = argparse.Namespace(arguments=rest)
    else:
        args = parser.parse_args(rest)

    from wfdb2dicom.errors import ArgumentError, Wfdb2DicomError, stop_message, told

    try:
        return int(module.run(args))
    except (WrongArguments, ArgumentError) as error:
        parser.error(str(error))
    except (Wfdb2DicomError, OSError) as error:
        words = stop_message(error) if name in STAGES else told(error)
        print(f"error: {words}", file=sys.stderr)
        return 1


def main() -> NoReturn:
    """Run the subcommand of the command line, and exit."""
    start()
    if sys.argv[1:2] != ["run"]:  # Snakemake colours its messages, and `wfdb2dicom.cli.terminal` sees to them
        show_foreign_text()
    try:
        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = INTERRUPTED
    exit_without_cleaning(status)
