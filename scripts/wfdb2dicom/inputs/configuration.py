"""The options of a run, all of them checked before any work begins.

config.yaml holds their defaults; the schema (workflow/schemas/config.schema.yaml) holds types, limits and descriptions.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from functools import cache, partial
from itertools import islice
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]
from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]

from wfdb2dicom.errors import ConfigError
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.find_tables import TABLES, has_records_list
from wfdb2dicom.inputs.studies import check_beginning
from wfdb2dicom.system.zip_directory import require_zip

PATHS = (*TABLES, "wfdb_dir", "dcm_dir", "output_csv", "error_log")
# Files that the workflow writes under fixed names.
RESULTS = tuple(
    f"results/{name}"
    for name in (
        "manifest.parquet",
        "summary.json",
        "gate.txt",
        "report/index.html",
        "sample.txt",
        "validation.tsv",
        "validation.json",
        "roundtrip.tsv",
        "roundtrip.json",
        "verify.tsv",
        ".results.json",
        ".publication.json",
        "store/summary.json",
    )
)
_LOOKED_AT = 50  # entries of a wrong wfdb_dir, which may have thousands
# Folders of the workflow: other files in them are removed when they are made again.
OWN_FOLDERS = ("results/plan", "results/receipts", "results/progress")


_BOOLEANS = {"true": True, "false": False}


def complete(given: Mapping[str, Any], defaults: Mapping[str, Any], schema: Path) -> dict[str, Any]:
    """The options of a run: those that were given, checked, and defaults for the rest.

    Parameters
    ----------
    given : mapping
        What the user wrote; Snakemake has laid it over the defaults unless this workflow is a module.
    defaults : mapping
        Content of config.yaml.
    schema : Path
        The JSON schema as YAML.

    Returns
    -------
    dict
        A value for every key of the schema. Paths are spelled as Snakemake compares them: ``out``, not ``./out/``.

    Raises
    ------
    ConfigError
        Names each key that is wrong, its value and the remedy.
    """
    rules = _rules(schema)
    properties: dict[str, Any] = rules["properties"]
    problems = [_unknown(key, list(properties)) for key in given if key not in properties]
    problems += [_missing(key, properties[key]) for key in rules["required"] if given.get(key) in (None, "")]
    # A key without a value (`metadata:`) is None in YAML: as good as left out.
    values = {key: value for key, value in given.items() if key in properties and value is not None}
    values = {key: value for key, value in values.items() if value != "" or key not in rules["required"]}
    for key, value in values.items():
        if isinstance(value, date):  # 1900-01-01 without quotes is one for YAML
            values[key] = value = value.isoformat()
        if isinstance(value, float) and value.is_integer() and _is_whole(properties[key]):
            values[key] = value = int(value)  # 2.0 is an integer to JSON Schema, not to the scripts
        if properties[key].get("type") == "boolean" and str(value).lower() in _BOOLEANS:
            values[key] = value = _BOOLEANS[str(value).lower()]  # --config overwrite=true is text for Snakemake
        if isinstance(value, float) and not math.isfinite(value):
            problems.append(f"{key}: {value} is not a finite number ({_sentence(properties[key])})")
            continue
        errors = list(Draft202012Validator(properties[key]).iter_errors(value))
        if errors:
            problems.append(_wrong(key, value, properties[key], errors[0]))
        elif isinstance(value, str) and re.search("[{}\\0\r\n]", value):
            problems.append(
                f"{key}: {value!r} holds a brace, which Snakemake takes for a wildcard, or a line break: rename"
            )
        elif key in PATHS and _SHELL(str(value)):
            problems.append(f"{key}: {value!r} begins with what only a shell replaces: write the whole path")
    if problems:
        raise ConfigError("\n".join(["the configuration cannot be used:", *(f"  {p}" for p in problems)]))
    options = dict(defaults) | values
    # Not normpath: `link/..` need not be the folder that holds the link.
    return options | {key: str(Path(options[key])) for key in PATHS if options[key]}


def error_log(options: Mapping[str, Any]) -> str:
    """The path of the list of failures: beside the result CSV unless the options name another one."""
    return options["error_log"] or beside(options["output_csv"], ".errors.log")


def beside(output_csv: str, suffix: str) -> str:
    """The name of a file that belongs to a result CSV: `suffix` replaces ``.csv`` and follows any other ending."""
    return output_csv.removesuffix(".csv") + suffix


def check_inputs(options: Mapping[str, Any], *, may_be_made_later: bool = False) -> None:
    """Refuse input files that are missing or of the wrong kind, and outputs that would replace inputs.

    Parameters
    ----------
    options : mapping
        As `complete` returns them.
    may_be_made_later : bool
        Whether a file may be missing because another rule makes it (use as a module).

    Raises
    ------
    ConfigError
        Names key, value and remedy.
    """
    folder = Path(options["wfdb_dir"])
    if folder.exists() and not folder.is_dir():
        require_zip(options["wfdb_dir"])
    elif not folder.exists() and not may_be_made_later:
        raise ConfigError(
            f"wfdb_dir: {options['wfdb_dir']!r} does not exist ({_seen_from(folder)}): "
            "name the folder to which the paths in input_csv are relative, or its ZIP"
        )
    for key in TABLES:
        path = Path(options[key])
        if not options[key] or (may_be_made_later and not path.exists()):
            continue
        if not path.is_file():
            kind = "is a folder, not a file" if path.is_dir() else "does not exist"
            where = _seen_from(path) + ("" if path.is_absolute() else f", or in wfdb_dir, {options['wfdb_dir']!r}")
            other = "" if path.is_absolute() else _other_folder(folder, path)
            raise ConfigError(f"{key}: {options[key]!r} {kind} ({where}): correct the path{other}")
    csv = Path(options["input_csv"])
    named = StudyColumns.from_options(options)
    listed = partial(has_records_list, options["wfdb_dir"])
    found = check_beginning(csv, named, listed) if csv.exists() else named
    _check_outputs(options)
    _check_columns(options, {*named, *found})


def _check_columns(options: Mapping[str, Any], read: set[str]) -> None:
    """Refuse to write a result into a column that is read."""
    if options["dcm_path_col"] == options["error_col"]:
        raise ConfigError(f"error_col: {options['error_col']!r} is dcm_path_col too: name another column")
    for key in ("dcm_path_col", "error_col"):
        if options[key] in read:
            raise ConfigError(f"{key}: {options[key]!r} is a column that is read: name another one for the result")


def _check_outputs(options: Mapping[str, Any]) -> None:
    """Refuse an output that is another file of the run, however both are spelled: outputs are removed and replaced."""
    for key in ("output_csv", "error_log"):
        if options[key] and Path(options[key]).is_dir():
            raise ConfigError(f"{key}: {options[key]!r} is a folder, not a file: name a file")
    outputs = {"output_csv": options["output_csv"], "error_log": error_log(options)}
    for key, path in {"dcm_dir": options["dcm_dir"], **outputs}.items():
        for own in OWN_FOLDERS:
            if f"{os.path.realpath(path)}/".startswith(f"{os.path.realpath(own)}/"):
                raise ConfigError(f"{key}: {path!r} lies in {own}, which the workflow empties: name another place")
    taken = {os.path.realpath(path): f"{path} of the workflow" for path in RESULTS}
    inputs = {key: options[key] for key in TABLES if options[key]}
    for key, path in inputs.items():
        if other := taken.get(os.path.realpath(path)):
            raise ConfigError(f"{key}: {path!r} is {other} itself: name another file")
    taken |= {os.path.realpath(path): f"{key} ({path!r})" for key, path in inputs.items()}
    for key, path in outputs.items():
        if other := taken.get(os.path.realpath(path)):
            raise ConfigError(f"{key}: {path!r} is {other} itself: name another file")
        taken[os.path.realpath(path)] = f"{key} ({path!r})"


def _is_whole(rule: Mapping[str, Any]) -> bool:
    """Whether an option takes whole numbers and no others."""
    return any(kind.get("type") == "integer" for kind in (rule, *rule.get("oneOf", ())))


_SHELL = re.compile(r"(?:~[\w.-]*|\$\w+|\$\{\w+\})(?:/|$)").match  # ~/ecg, $SCRATCH/ecg


@cache
def _rules(schema: Path) -> dict[str, Any]:
    rules: dict[str, Any] = yaml.safe_load(schema.read_text(encoding="utf-8"))
    return rules


def _other_folder(folder: Path, table: Path) -> str:
    """The remedy for a wrong wfdb_dir, which is often the folder above the right one, or one in it."""
    with suppress(OSError), os.scandir(folder) as entries:
        for place in (folder.parent, *(Path(entry) for entry in islice(entries, _LOOKED_AT))):
            if (place / table).is_file():
                return f", or set wfdb_dir to {str(place)!r}, which has it"
    return ", or wfdb_dir, the data set's top folder or ZIP"


def _seen_from(path: Path) -> str:
    return "absolute path" if path.is_absolute() else f"relative to {Path.cwd()}"


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
    remedy = f"did you mean {near[0]}?" if near else f"the options are {', '.join(known)}"
    return f"{key}: there is no such option; {remedy}"


def _missing(key: str, rule: Mapping[str, Any]) -> str:
    return f"{key}: missing; give it in a --configfile or by --config {key}=… ({_sentence(rule)})"


def _wrong(key: str, value: Any, rule: Mapping[str, Any], error: ValidationError) -> str:
    for step in error.absolute_path:  # to the wrong entry of a mapping or a list
        part = rule["properties"][step] if "properties" in rule else rule["items"]
        key, value, rule = f"{key}.{step}", value[step], {"description": rule["description"]} | part
    if error.validator == "additionalProperties":
        known = [f"{key}.{name}" for name in rule["properties"]]
        return "\n  ".join(_unknown(name, known) for name in (f"{key}.{name}" for name in value) if name not in known)
    shown = str(value) if isinstance(value, date) else repr(value)
    return f"{key}: {shown} {_expected(value, rule, error)} ({_sentence(rule)})"


def _expected(value: Any, rule: Mapping[str, Any], error: ValidationError) -> str:
    if "oneOf" in rule:
        return f"is neither {rule['oneOf'][0]['enum'][0]!r} nor a whole number from 1"
    if "enum" in rule:
        return "is none of " + ", ".join(map(repr, rule["enum"]))
    if error.validator == "type" and rule["type"] == "string" and isinstance(value, (int, float)):
        return "is a number where text is needed: put it in quotes"
    if error.validator == "type" and rule["type"] == "string" and isinstance(value, date):
        return "is not in quotes: put it in quotes"
    if error.validator == "type":
        kind = {"array": "list", "object": "mapping"}.get(rule["type"], rule["type"])
        return f"is not a {kind}" + _FORMS.get(rule["type"], "")
    if error.validator == "minLength":
        return "is empty: give a value or leave the key out"
    if error.validator == "pattern" and "examples" in rule:
        return f"does not have the form of {rule['examples'][0]}"
    if error.validator == "pattern":
        return 'is not a UID root: digits and dots such as "2.25" or "1.2.826.0.1.3680043.10.999"'
    limits = {"exclusiveMinimum": "is not above", "minimum": "is less than", "maximum": "is more than"}
    if error.validator in limits:
        # A share written as a percentage.
        remedy = f": write {float(value) / 100:g} for {value} %" if rule.get("maximum") == 1 and value > 1 else ""
        return f"{limits[error.validator]} {error.validator_value}{remedy}"
    return str(error.message).removeprefix(repr(value)).strip()


_FORMS = {"boolean": ": write true or false", "array": ": write [one, another]"}


def _sentence(rule: Mapping[str, Any]) -> str:
    return str(rule["description"]).strip().split(". ")[0].rstrip(".")
