"""What a run shows on the terminal: a line per stage, warnings, failures, and the summary last.

A dry run shows what would be converted and why.

Snakemake's own account of the run, a dozen lines for each job, stays in its log (.snakemake/log) and comes back to the
terminal with ``--printshellcmds`` (``-p``) or ``--verbose``. The library does not import Snakemake: a log record has an
``event`` with a name, and the handler of the terminal takes any formatter; a record that becomes "" is not shown.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wfdb2dicom.batches.preview import Preview

from wfdb2dicom.words import shown

_MOST_FAILURES = 8  # failed jobs that are shown; the others are counted
_MOST_LINES = 3  # of each
# Where in the workflow an error was raised, and what `Terminal.end` says better.
_FOR_DEVELOPERS = re.compile(
    r"WorkflowError( in file .*)?:$|\s+File \".*\", line \d+, in |At least one job did not|Exiting because a job"
).match
# The last line of a traceback of Snakemake, which is shown for what the file system refuses too.
_SYSTEM_ERROR = re.compile(r"^\w*Error: \[Errno \d+\] ([^:\n]+): '([^\n]+)'$", re.MULTILINE)
_NO_TARGET = re.compile(r"No rule to produce (\S+)")
_WITHOUT_WORK = ("all", "default")  # rules
TARGETS = ("plan", "verify", "validate", "roundtrip", "store", "publish")
# What a function of ours says of a target, among what Snakemake adds.
_OF_FUNCTION = re.compile(r"^InputFunctionException in rule .*?WorkflowError:\n\s+(.*?)\nWildcards:", re.DOTALL)
# What Snakemake says where it does something else than to run rules.
_OTHER_MODES = ("Unlock", "Touch", "Delet", "Would ", "Created report", "Clean", "Archiv", "Congratulations")


class Terminal(logging.Formatter):
    """The lines that the terminal shows instead of Snakemake's, one for each record.

    Parameters
    ----------
    nothing_to_do : callable
        Says in a line what is up to date.
    preview : callable
        Gives what a dry run says of the studies, or None.
    folder : str
        The folder of the run as seen from where the command was given, "" for the current one.
    """

    def __init__(
        self,
        nothing_to_do: Callable[[], str],
        preview: Callable[[], Preview | None] = lambda: None,
        folder: str = "",
    ) -> None:
        super().__init__()
        self._nothing_to_do = nothing_to_do
        self._preview = preview
        self._folder = folder
        self._jobs: Counter[str] = Counter()  # by rule
        self._failures: list[str] = []
        self._hidden = 0
        self._interrupted = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may be shown: Snakemake puts an empty line before a job, also one that is not shown."""
        if _event(record) == "JOB_INFO":
            self._jobs[str(getattr(record, "rule_name", ""))] += 1
        return _event(record) not in ("JOB_INFO", "GROUP_INFO", "SHELLCMD", "PROGRESS", "JOB_FINISHED")

    def format(self, record: logging.LogRecord) -> str:
        """The line for a record; "" for none. Foreign text, of a log for example, does not control the terminal."""
        return shown(self._words(record))

    def _words(self, record: logging.LogRecord) -> str:
        message = str(record.msg or "")
        if message.startswith("Terminating processes on user request"):
            self._interrupted = True
            return "interrupting: ending the jobs that are under way"
        if self._interrupted:
            return ""
        if message.startswith("Nothing to be done"):
            return self._nothing_to_do()
        if message.startswith("This was a dry-run"):
            return self._dry_run()
        if _event(record) in ("JOB_ERROR", "GROUP_ERROR"):
            return self._failure(record)
        if record.levelno < logging.WARNING and not message.startswith(_OTHER_MODES):
            return ""
        if "CalledProcessError in file" in message:  # the failed job itself says why
            return ""
        if error := _SYSTEM_ERROR.search(message):
            return f"error: {no_access(error[1], error[2])}"
        if target := _NO_TARGET.search(message):
            return f"error: {no_target(target[1])}"
        if said := _OF_FUNCTION.search(message):
            return f"error: {said[1]}"
        lines = [line for line in message.splitlines() if line.strip() and not _FOR_DEVELOPERS(line)]
        prefix = "error: " if lines and record.levelno >= logging.ERROR else ""
        return prefix + "\n".join(lines)

    def end(self) -> list[str]:
        """What to show when the process ends: how to go on after an interrupt or failures."""
        if self._interrupted:
            return ["interrupted: run the same command to resume"]
        hidden = (
            [f"and {self._hidden} more failed jobs: see {os.path.join(self._folder, 'logs')}/"] if self._hidden else []
        )
        again = ["failed: fix what is named above and run the same command; finished work is kept"]
        return hidden + again if self._failures else []

    def _dry_run(self) -> str:
        """What the run would do: the studies it would convert and why, and its steps."""
        jobs = {rule: count for rule, count in self._jobs.items() if rule not in _WITHOUT_WORK}
        found = self._preview()
        if found and "convert" not in jobs:  # Snakemake knows of batches when they are planned
            jobs = {"plan": 1, "convert": len(found.batches)} | jobs
        steps = [rule if count == 1 else f"{rule} ({count:,} jobs)" for rule, count in jobs.items() if count]
        is_known = found or not jobs.keys() & {"plan", "convert", "study"}
        return "\n".join(
            [
                *([str(found or "would convert no study")] if is_known else []),
                f"steps: {', '.join(steps)}",
                "nothing was done (-n); -n -p lists every job, with Snakemake's reasons",
            ]
        )

    def _failure(self, record: logging.LogRecord) -> str:
        """A failed job by the last lines of its log; a second try that fails in the same way is shown once."""
        logs = [str(path) for path in getattr(record, "log", None) or ()]
        name = str(getattr(record, "rule_name", "") or "a group of jobs")
        wildcards = getattr(record, "wildcards", None)
        name += "".join(f" {value}" for value in (wildcards.values() if isinstance(wildcards, dict) else ()))
        words = [line for log in logs for line in _last_words(Path(log))] or ["no words in its log"]
        places = ", ".join(os.path.join(self._folder, log) for log in logs)
        text = "\n".join([f"{name} failed ({places}):", *(f"  {word}" for word in words)])
        if text in self._failures:
            return ""
        self._failures.append(text)
        if len(self._failures) > _MOST_FAILURES:
            self._hidden += 1
            return ""
        return text


def no_access(reason: str, file: str) -> str:
    """What to do where Snakemake itself cannot read or write a file."""
    return (
        f"{reason}: {os.path.abspath(file)!r}: make room or give yourself the right to read and write there, or run in "
        "a folder of your own (--directory)"
    )


def no_target(name: str) -> str:
    """What there is instead of a target that does not exist."""
    near = get_close_matches(name, TARGETS, 1)
    meant = f"; did you mean {near[0]}?" if near else "."
    known = f"{', '.join(TARGETS)} and the DICOM (.dcm) or page (.png, .svg, .pdf) of a study"
    return f"there is no target {name!r}{meant} Targets are {known}"


def _event(record: logging.LogRecord) -> str:
    return str(getattr(getattr(record, "event", None), "name", ""))


def _last_words(log: Path) -> list[str]:
    """The lines of a log from its last error on, or its last line."""
    try:
        lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    except OSError:
        return []
    at = max((n for n, line in enumerate(lines) if line.startswith("error: ")), default=len(lines) - 1)
    return [line[:1000] for line in lines[max(0, at) :]][:_MOST_LINES]
