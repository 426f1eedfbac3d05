"""What the screen says of an error: where MIMIC-IV-ECG names folders after patients, neither folders nor patients."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wfdb2dicom.errors import ConfigError, LeadError, OutputError, describe, mask_patient, stop_message, told
from wfdb2dicom.records.source_file import Source
from wfdb2dicom.system.regular_file import file_digest
from wfdb2dicom.words import shown

FOLDER = "files/p1000/p10000032/s40689238"


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            f"FileNotFoundError: No such file or directory: '/data/{FOLDER}/1.dat'",
            "FileNotFoundError: No such file or directory: '1.dat'",
        ),
        (f"OSError: Input/output error: '/data/{FOLDER}/1.dat'", "OSError: Input/output error: '1.dat'"),
        (f"OSError: No such file: \"/o'neil's data/{FOLDER}/1.dat\"", 'OSError: No such file: "1.dat"'),
        (f"OSError: No such file: '/my data/{FOLDER}/1", "OSError: No such file: '1"),  # cut short
        (f"OSError: No such file: '/my data/{FOLDER}/1.dat'", "OSError: No such file: '1.dat'"),
        (
            "DateError: ecg_time '05/06/2012 10:00' is not YYYY-MM-DD HH:MM:SS",
            "DateError: ecg_time '05/06/2012 10:00' is not YYYY-MM-DD HH:MM:SS",
        ),
        (
            "the header's time '10:00:00 05/21/1991' was not used",
            "the header's time '10:00:00 05/21/1991' was not used",
        ),
        (f"SignalError: /data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: {FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: my data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"SignalError: /o'neil's/my data/{FOLDER}/1.dat has 3 bytes", "SignalError: 1.dat has 3 bytes"),
        (f"HeaderError: /o'neil's/{FOLDER}/1.hea gives 'x' for II", "HeaderError: 1.hea gives 'x' for II"),
        ("PathError: p10000032 leaves dcm_dir", "PathError: p… leaves dcm_dir"),
        (
            "SubjectMismatch: the header belongs to subject 10000032, the CSV says subject 10000084; check path",
            "SubjectMismatch: the header belongs to subject …, the CSV says subject …; check path",
        ),
        ("HeaderError: subject_id 'Jane Doe' is not a DICOM text", "HeaderError: subject_id … is not a DICOM text"),
        (
            "SubjectMismatch: the header belongs to subject Smith, the CSV says subject Jane Doe; check path",
            "SubjectMismatch: the header belongs to subject …, the CSV says subject …; check path",
        ),
        (
            "HeaderError: the header names two subjects, Smith and Doe, in its comments; correct the header",
            "HeaderError: the header names two subjects, …, in its comments; correct the header",
        ),
        ("UnitsError: signal 'II' is in 'mmHg', not in volts", "UnitsError: signal 'II' is in 'mmHg', not in volts"),
    ],
)
def test_an_error_on_the_screen_keeps_its_words_and_the_names_of_files(error: str, shown: str) -> None:
    assert mask_patient(error) == shown


def test_what_is_known_of_the_patient_is_left_out_wherever_it_stands() -> None:
    assert mask_patient("RangeError: AB of 1 AB.dat ABC", "AB") == "RangeError: … of 1 ….dat ABC"


def test_what_stops_a_job_names_the_file_without_its_folders() -> None:
    error = OutputError(f"cannot write '/data/{FOLDER}/1.dcm': No space left on device; fix the cause and run again")
    assert stop_message(error) == "cannot write '1.dcm': No space left on device; fix the cause and run again"
    own = OutputError("cannot write 'results/receipts/016-003.tsv': No space left on device; fix it and run again")
    assert stop_message(own) == str(own)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="Linux has a file that can be opened and not be read")
def test_an_error_of_reading_an_open_file_names_the_file() -> None:
    """The system call knows a descriptor only."""
    with Source("/proc/self/mem", "") as source, pytest.raises(OSError) as of_source:
        source.read(10)
    with pytest.raises(OSError) as of_digest:
        file_digest("/proc/self/mem")
    for error in (of_source, of_digest):
        assert describe(error.value) == "OSError: Input/output error: '/proc/self/mem'"


def test_an_error_on_the_screen_names_its_file_once() -> None:
    assert told(FileNotFoundError(2, "No such file or directory", "x.dcm"), "x.dcm") == (
        "No such file or directory: 'x.dcm'"
    )
    assert told(LeadError("lead 'A' is unknown"), "x.dcm") == "x.dcm: lead 'A' is unknown"
    assert told(LeadError("lead 'A' is unknown")) == "lead 'A' is unknown"


def test_the_text_of_every_error_of_ours_is_printable_and_bounded() -> None:
    """An escape sequence of a file must not reach the terminal, nor five megabytes of a name."""
    for kind in (ConfigError, OutputError, LeadError):
        assert str(kind("lead '\x1b[2J\x07'")) == r"lead '\x1b[2J\x07'"
        assert len(str(kind("x" * 5_000_000))) < 5000
    assert str(ConfigError("first:\n  second")) == "first:\nsecond"
    assert str(ConfigError("path 'a  b' is wrong")) == "path 'a  b' is wrong"


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONUTF8": "0", "PYTHONIOENCODING": "latin-1"}])
def test_a_program_prints_under_every_locale(project: Path, tmp_path: Path, locale: dict[str, str]) -> None:
    """Words with characters that the locale lacks, on both streams."""
    command = [sys.executable, str(project / "scripts" / "wfdb2dicom"), "gate", "μV…"]
    done = subprocess.run([*command, "x"], cwd=tmp_path, env=os.environ | locale, capture_output=True)
    assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr
    script = "from wfdb2dicom.cli.startup import start; start(); print('\u2026 \u4e00')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project / "scripts", env=os.environ | locale, capture_output=True
    )
    assert done.returncode == 0 and done.stdout.strip() == rb"\u2026 \u4e00", done.stderr


def test_every_program_explains_itself_under_every_locale(project: Path) -> None:
    script = (
        "from wfdb2dicom.cli import main, startup; startup.start()\n"
        "for name in (*main.COMMANDS, *main.STAGES):\n"
        "    try: main.run([name, '--help'])\n"
        "    except SystemExit as end: assert not end.code\n"
    )
    for words in (["-c", script], ["run_convert.py", "--help"]):
        done = subprocess.run(
            [sys.executable, *words],
            cwd=project / "scripts",
            env=os.environ | {"PYTHONIOENCODING": "ascii"},
            capture_output=True,
        )
        assert done.returncode == 0 and done.stdout.isascii(), done.stderr


@pytest.mark.parametrize("command", ["info", "check", "convert"])
def test_a_program_shows_no_control_characters_of_a_file(
    project: Path, make_record: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    """Names of leads, values of DICOM attributes and names of files may be made to control a terminal."""
    record, run = make_record(folder="a\x1b[2Jb"), [sys.executable, str(project / "scripts" / "wfdb2dicom")]
    header = record.parent / f"{record.name}.hea"
    header.write_text(header.read_text().replace(" II\n", " II\x1b[2J\n"))
    source = [str(record), str(tmp_path / "x.dcm")] if command == "convert" else [str(record)]
    if command == "check":
        source = [str(tmp_path / "a\x1b[2J.dcm")]
        subprocess.run([*run, "convert", str(make_record("40689239")), source[0]], check=True, capture_output=True)
        content = Path(source[0]).read_bytes()
        Path(source[0]).write_bytes(content.replace(b"CS\x04\0ECG ", b"CS\x04\0E\x1b[2"))
    done = subprocess.run([*run, command, *source], capture_output=True)
    said = done.stdout + done.stderr
    assert rb"\x1b[2" in said and b"\x1b" not in said, said


def test_what_is_shown_is_bounded_line_by_line() -> None:
    assert shown("a\n" + "x" * 5_000_000 + "\nb") == "a\n" + "x" * 4000 + " …\nb"
    assert shown("a\tb\n" * 2000) == "a\tb\n" * 2000
    assert shown("\u202eabc\r\x9b") == r"\u202eabc\r\x9b"
