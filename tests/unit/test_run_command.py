"""`wfdb2dicom run`: Snakemake, without its tracebacks for what only a user can change."""

import argparse
import logging
import os
import signal
import subprocess
import sys
from collections import Counter
from enum import Enum
from pathlib import Path

import pytest

from wfdb2dicom.batches.preview import NEW, Preview, Work
from wfdb2dicom.cli import run as cli_run
from wfdb2dicom.cli.run import provide_cache, require_folder, require_keys, require_profile, split_targets
from wfdb2dicom.cli.startup import WrongArguments
from wfdb2dicom.cli.terminal import Terminal
from wfdb2dicom.errors import ConfigError


def command(project: Path, *arguments: str) -> list[str]:
    return [sys.executable, str(project / "scripts/wfdb2dicom"), "run", *arguments]


def test_a_target_behind_configfile_is_a_target(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.touch()
    assert split_targets([mine]) == ([mine], [])
    assert split_targets([mine, Path("verify"), Path("dicom/a/1.dcm")]) == ([mine], ["verify", "dicom/a/1.dcm"])


def test_options_that_are_given_twice_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(cli_run, "run_snakemake", lambda arguments, configfiles: seen.extend(arguments) or 0)
    given = [
        "--config",
        "a=1",
        "verify",
        "--configfile",
        "x.yaml",
        "--config=b=2",
        "--cores",
        "2",
        "--configfile=y.yaml",
    ]
    assert cli_run.run(argparse.Namespace(arguments=given)) == 0
    assert seen[:6] == ["--configfile", "x.yaml", "y.yaml", "--config", "a=1", "verify"]
    assert seen[6:9] == ["b=2", "--cores", "2"]


@pytest.mark.parametrize("names", [["none.yaml"], ["none"], ["mine.yaml", "none.yml"]])
def test_a_configuration_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    with pytest.raises(ConfigError, match=f"--configfile: '{names[-1]}' is not a file that exists"):
        split_targets([Path(name) for name in names])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"wfdb_dir: x\ninput_csv: [a\n", "line 3 is not YAML: expected ',' or ']'"),
        (b"wfdb_dir: x\n\tinput_csv: a\n", "line 2 is not YAML: "),
        (b"\xff\xfew\0", "is not text in UTF-8"),
        (b"wfdb_dir: \x01\n", "holds characters that YAML does not allow"),
        (b"", "has no keys"),
        (b"- wfdb_dir\n", "has no keys"),
    ],
)
def test_a_configuration_that_is_not_one_is_named_with_the_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        require_keys(tmp_path / "mine.yaml")
    assert "mine.yaml'" in str(error.value) and words in str(error.value)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"Not a directory: '.*/file/run': .* \(--directory\)"):
        require_folder(tmp_path / "file/run")
    require_folder(tmp_path / "run")


def test_caches_are_kept_in_the_working_directory_where_home_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    provide_cache(tmp_path / "run")
    assert "XDG_CACHE_HOME" not in os.environ
    monkeypatch.setenv("HOME", "/proc/nowhere")
    provide_cache(tmp_path / "run")
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "run/.snakemake/cache")


def test_a_profile_that_does_not_exist_is_named_with_those_that_do(project: Path, tmp_path: Path) -> None:
    require_profile(None)
    require_profile("slurm")
    require_profile(str(project / "profiles/slurm"))
    with pytest.raises(WrongArguments, match="there is no profile 'slrum'; there are default, slurm"):
        require_profile("slrum")
    done = subprocess.run(command(project, "--profile", "slurm"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "wfdb2dicom's own are for --workflow-profile: default, slurm"


def test_a_wrong_option_is_two_lines_and_not_the_usage_of_snakemake(project: Path, tmp_path: Path) -> None:
    done = subprocess.run(command(project, "--corse", "1"), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "snakemake --help lists all options"
    assert len(done.stderr.splitlines()) == 2 and "error: " in done.stderr and "--corse" in done.stderr


def test_an_interrupt_while_snakemake_is_imported_is_one_line(project: Path, tmp_path: Path) -> None:
    interpreter, *rest = command(project, "--cores", "1")
    process = subprocess.Popen(
        [interpreter, "-X", "importtime", *rest], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    imported = iter(process.stderr)
    assert any("snakemake" in line for line in imported)
    process.send_signal(signal.SIGINT)
    told = [line.strip() for line in imported if not line.startswith("import time:")]
    assert process.wait(timeout=60) == 130
    assert told == ["interrupted: run the same command to resume"]


def test_what_the_file_system_refuses_snakemake_is_one_line() -> None:
    traceback = (
        'Traceback (most recent call last):\n\n  File "a.py", line 1, in b\n    makedirs()\n\n'
        "PermissionError: [Errno 13] Permission denied: '/data/run/.snakemake'\n"
    )
    record = Terminal(lambda: "").format(_error(traceback))
    assert record.startswith("error: Permission denied: '/data/run/.snakemake': make room or give yourself the right")
    assert "\n" not in record
    unknown = "Traceback (most recent call last):\n\nKeyError: 'x'\n"
    assert "KeyError: 'x'" in Terminal(lambda: "").format(_error(unknown))


def test_a_target_that_does_not_exist_is_named_with_the_one_that_is_meant() -> None:
    said = Terminal(lambda: "").format(
        _error("MissingRuleException:\nNo rule to produce verfy (if you use input ...).")
    )
    assert said.startswith("error: there is no target 'verfy'; did you mean verify? Targets are plan, verify, ")


def test_of_a_study_that_does_not_exist_only_our_own_words_are_shown() -> None:
    words = 'InputFunctionException in rule study in file "x.smk", line 31:\nError:\n  WorkflowError:\n    no study\n'
    assert Terminal(lambda: "").format(_error(f"{words}Wildcards:\n  record=1\nTraceback:")) == "error: no study"


def test_no_foreign_text_controls_the_terminal() -> None:
    said = Terminal(lambda: "").format(_error("no \x1b[2Jfile\n  of \x07 it"))
    assert said == "error: no \\x1b[2Jfile\n  of \\x07 it"


class Event(Enum):
    """Of Snakemake's, the one of each job."""

    JOB_INFO = 1


def dry_run(terminal: Terminal, *rules: str) -> list[str]:
    """The lines of a dry run of some jobs."""
    for rule in rules:
        record = _record(logging.INFO, "")
        record.event, record.rule_name = Event.JOB_INFO, rule
        assert not terminal.filter(record)
    return terminal.format(_record(logging.INFO, "This was a dry-run (flag -n). The order of jobs ...")).splitlines()


def test_a_dry_run_says_what_would_be_converted_and_the_steps() -> None:
    found = Preview({"002-000": Work(), "002-001": Work()}, Work(4, 1, reasons=Counter({NEW: 3})), 2)
    told = dry_run(Terminal(lambda: "", lambda: found), "plan", "aggregate", "report", "gate", "all")
    assert told == [
        *str(found).splitlines(),
        "steps: plan, convert (2 jobs), aggregate, report, gate",
        "nothing was done (-n); -n -p lists every job, with Snakemake's reasons",
    ]


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (
            ["sample", "validate_batch", "validate_batch", "validate"],
            ["would convert no study", "steps: sample, validate_batch (2 jobs), validate"],
        ),
        (["plan", "study"], ["steps: plan, study"]),
    ],
)
def test_a_dry_run_of_other_targets_names_the_steps(rules: list[str], told: list[str]) -> None:
    assert dry_run(Terminal(lambda: ""), *rules)[:-1] == told


def _error(message: str) -> logging.LogRecord:
    return _record(logging.ERROR, message)


def _record(level: int, message: str) -> logging.LogRecord:
    return logging.LogRecord("snakemake", level, "", 0, message, (), None)
