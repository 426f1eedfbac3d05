"""The examples in the help of the commands."""

import re
import shlex
from importlib import import_module


def help_of(name: str) -> str:
    """What `wfdb2dicom <name> --help` says above its options."""
    return import_module(f"wfdb2dicom.cli.{name.replace('-', '_')}").__doc__ or ""


def examples(name: str) -> list[list[str]]:
    """The command lines of its examples, each without `wfdb2dicom`."""
    _, _, text = help_of(name).partition("example")
    commands = re.sub(r"\\\n\s*", "", text.partition(":\n")[2]).splitlines()
    return [shlex.split(command)[1:] for command in commands if command.strip().startswith("wfdb2dicom ")]
