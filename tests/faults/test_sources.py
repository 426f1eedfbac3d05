"""Fault 5: sources that change under the run, are cut short, or lie; only documented errors come of it."""

import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_tree import BEFORE, add_study, header_text, study_path, write
from wfdb2dicom import convert_record, errors
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.errors import StudyError

from .helpers import convert, convert_again, counts, make_plan, outcomes

SAMPLES = np.random.default_rng(1).integers(-500, 500, (250, 12)).astype("<i2")
GOOD = header_text("100", SAMPLES)
DOCUMENTED = {
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, StudyError)
} | {"FileNotFoundError", "OSError", "PermissionError"}
LIES = {
    "negative number of signals": GOOD.replace("100 12 ", "100 -12 ", 1),
    "negative number of samples": GOOD.replace(" 500 250 ", " 500 -250 ", 1),
    "no samples": GOOD.replace(" 500 250 ", " 500 0 ", 1),
    "one sample more": GOOD.replace(" 500 250 ", " 500 251 ", 1),
    "one sample fewer": GOOD.replace(" 500 250 ", " 500 249 ", 1),
    "10^12 samples": GOOD.replace(" 500 250 ", f" 500 {10**12} ", 1),
    "10^12 samples of another format": GOOD.replace(" 500 250 ", f" 500 {10**12} ", 1).replace(" 16 200", " 212 200"),
    "a number of 5,000 digits": GOOD.replace(" 500 250 ", f" 500 {'9' * 5000} ", 1),
    "a baseline of 5,000 digits": GOOD.replace("(0)", f"({'9' * 5000})", 1),
    "10^5 signals": "100 100000 500 250\n" + GOOD.splitlines()[1] * 2,
    "10^5 signals, all there": "100 10000 500 250\n" + f"{GOOD.splitlines()[1]}\n" * 10_000,
    "one signal fewer": GOOD.replace("100 12 ", "100 11 ", 1),
    "gain 0": GOOD.replace("200.0(0)", "0(0)"),
    "gain -200": GOOD.replace("200.0(0)", "-200(0)"),
    "gain NaN": GOOD.replace("200.0(0)", "nan(0)"),
    "a gain with something in it": GOOD.replace(" 16 200.0(0)", " 16 20*0.0(0)"),
    "checksums that are no numbers": GOOD.replace(" 16 0 ", " 16 x "),
    "gain infinite": GOOD.replace("200.0(0)", "1e999(0)"),
    "gain next to nothing": GOOD.replace("200.0(0)", "1e-300(0)"),
    "baseline beyond everything": GOOD.replace("200.0(0)", f"200.0({10**17})"),
    "frequency 0": GOOD.replace(" 12 500 ", " 12 0 ", 1),
    "frequency NaN": GOOD.replace(" 12 500 ", " 12 nan ", 1),
    "frequency infinite": GOOD.replace(" 12 500 ", f" 12 {'9' * 400} ", 1),
    "another file format": GOOD.replace(" 16 200", " 999 200"),
    "many samples a frame": GOOD.replace(" 16 200", " 16x99999999 200"),
    "a huge byte offset": GOOD.replace(" 16 200", f" 16+{10**15} 200"),
    "a file elsewhere": GOOD.replace("100.dat", "../../../etc/passwd"),
    "an absolute file": GOOD.replace("100.dat", "/etc/passwd"),
    "a device": GOOD.replace("100.dat", "/dev/zero"),
    "a file name with NUL": GOOD.replace("100.dat", "100\0.dat"),
    "an impossible date": GOOD.replace("23/07/2180", "31/02/2180"),
    "a month by name": GOOD.replace("08:44:00 23/07/2180", "12-May-2020 12:33:59"),
    "a date before the time": GOOD.replace("08:44:00 23/07/2180", "23/07/2180 08:44:00"),
    "other units": GOOD.replace("/mV", "/kg"),
    "an unknown lead": GOOD.replace(" V6", " V66"),
    "a lead twice": GOOD.replace(" V6", " V5"),
    "wrong checksums": header_text("100", SAMPLES + 1),
    "only NUL": "\0" * 5000,
    "only blanks": " \n\t\r\n" * 100,
    "empty": "",
    "only comments": "# nothing\n",
    "itself as its segment": "100/2 12 500 500\n100 250\n100 250\n",
    "10^5 segments": "100/100000 12 500 500\n" + "x 5\n" * 100_000,
    "half a header": GOOD[:300],
    "control characters": GOOD.replace(" V6", " \x1b[2J\x07"),
}


def make(folder: Path, header: bytes | str, signal: bytes = SAMPLES.tobytes()) -> Path:
    write(folder / "100.hea", header)
    write(folder / "100.dat", signal)
    return folder / "100"


def outcome(folder: Path, header: bytes | str, signal: bytes = SAMPLES.tobytes()) -> str:
    """How converting ends: "" well, or the words of a documented error; anything else is raised."""
    known = Acquisition(subject_id="10000000", study_id="100", ecg_time="2180-07-23 08:44:00")
    try:
        convert_record(make(folder, header, signal), folder / "out/100.dcm", known)
    except (StudyError, OSError) as error:
        return errors.describe(error)
    return ""


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_a_documented_error(tmp_path: Path, lie: str) -> None:
    start = time.monotonic()
    words = outcome(tmp_path, LIES[lie])
    # The time of the study CSV takes the place of a wrong one; an odd gain or baseline is what the object says, too.
    # A number of samples of 0 is one that is not stated (header(5)); the checksums are.
    harmless = ("date", "month", "gain next to nothing", "baseline", "no samples")
    assert words.partition(":")[0] in DOCUMENTED or (not words and any(w in lie for w in harmless)), words
    assert words.isprintable() and len(words) < 1100
    assert not list(tmp_path.rglob("*.part")) and (not words) == (tmp_path / "out/100.dcm").exists()
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "spelling",
    {
        "CRLF": GOOD.replace("\n", "\r\n").encode(),
        "BOM": b"\xef\xbb\xbf" + GOOD.encode(),
        "no newline at the end": GOOD.rstrip().encode(),
        "blank lines and comments": ("# x\n\n" + GOOD.replace("\n", "\n\n")).encode(),
        "a comment that is not UTF-8": GOOD.encode() + b"# caf\xe9 \xff\n",
    }.items(),
    ids=lambda item: item[0],
)
def test_spellings_that_change_nothing_convert(tmp_path: Path, spelling: tuple[str, bytes]) -> None:
    assert outcome(tmp_path, spelling[1]) == ""


def test_a_lead_that_is_not_utf_8_is_named_readably(tmp_path: Path) -> None:
    words = outcome(tmp_path, GOOD.encode().replace(b" V6", b" V\xff"))
    assert words.startswith("LeadError: ") and words.isprintable()


def test_a_header_of_50_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    words = outcome(tmp_path, GOOD.encode() + b"# x\n" * 12_500_000)
    assert words.startswith("HeaderError: ") and "50000" in words


@pytest.mark.parametrize("size", [0, 1, 100, 5998, 5999])
def test_a_signal_file_that_is_too_short_is_refused(tmp_path: Path, size: int) -> None:
    assert outcome(tmp_path, GOOD, SAMPLES.tobytes()[:size]).startswith("SignalError: ")


@pytest.mark.parametrize("size", [6001, 6002, 12000])
def test_bytes_behind_the_samples_pass_only_where_checksums_prove_the_samples(tmp_path: Path, size: int) -> None:
    content = (SAMPLES.tobytes() * 2)[:size]
    assert outcome(tmp_path / "exact", GOOD) == outcome(tmp_path / "longer", GOOD, content) == ""
    assert (tmp_path / "longer/out/100.dcm").read_bytes() == (tmp_path / "exact/out/100.dcm").read_bytes()
    damaged = bytes([content[0] ^ 1]) + content[1:]
    assert outcome(tmp_path / "damaged", GOOD, damaged).startswith("ChecksumError: ")
    unproven = "\n".join(
        " ".join([*line.split()[:6], "0", *line.split()[7:]]) if line.startswith("100.dat") else line
        for line in GOOD.splitlines()
    )
    assert outcome(tmp_path / "unproven", unproven, content).startswith("SignalError: ")


lines = st.lists(
    st.one_of(
        st.sampled_from(GOOD.splitlines()),
        st.text(st.characters(min_codepoint=1, max_codepoint=0x2FF), max_size=60),
        st.builds(
            "{} {} {} {} {} {} {}".format,
            *[
                st.one_of(
                    st.integers(-10, 10**20).map(str),
                    st.sampled_from(["100.dat", "16", "212", "8", "nan", "inf", "200/mV", "0", "-1", "1e9"]),
                )
            ]
            * 7,
        ),
    ),
    max_size=16,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(lines.map("\n".join), st.binary(max_size=200))
def test_any_header_converts_or_is_a_documented_error(tmp_path_factory, header: str, signal: bytes) -> None:
    folder = tmp_path_factory.getbasetemp() / "any"
    words = outcome(folder, header, signal)
    assert words.partition(":")[0] in DOCUMENTED


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_single_change_of_a_header_converts_or_is_a_documented_error(tmp_path_factory, data) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    words = data.draw(st.permutations(GOOD.split(" ")[:20])) if data.draw(st.booleans()) else GOOD.split(" ")
    place = data.draw(st.integers(0, len(words) - 1))
    words[place] = data.draw(
        st.one_of(st.text(max_size=8), st.integers(-(10**12), 10**12).map(str), st.floats().map(str))
    )
    error = outcome(folder, " ".join(words).encode("utf-8", "surrogatepass"))
    assert not error or error.partition(":")[0] in DOCUMENTED


def test_a_source_that_changes_under_the_run_ends_as_it_is_at_last(tmp_path: Path) -> None:
    """A tree is being copied again while it is converted: no object mixes two versions, and all end new."""
    make_plan(tmp_path, 120)
    stop = threading.Event()

    def rewrite() -> None:
        chance, turn = random.Random(1), 0
        while not stop.is_set():
            turn += 1
            study = 40_000_000 + chance.randrange(120)
            add_study(tmp_path / "wfdb", study, seed=turn, mtime_ns=BEFORE + turn * 10**9)

    writer = threading.Thread(target=rewrite)
    writer.start()
    try:
        for _ in range(3):
            convert(tmp_path)
            for study, words in outcomes(tmp_path).items():
                kind = words.partition(":")[0]
                assert kind in {"converted", "current", "ChecksumError", "SignalError", "HeaderError"}, (study, words)
                if kind not in {"converted", "current"}:
                    assert errors.is_transient(words), words
    finally:
        stop.set()
        writer.join()
    for n in range(120):
        add_study(tmp_path / "wfdb", 40_000_000 + n, seed=10**6 + n)
    convert_again(tmp_path)
    assert set(outcomes(tmp_path).values()) == {"converted"}


def test_a_tree_that_goes_away_and_comes_back_unchanged_is_tried_again(tmp_path: Path) -> None:
    make_plan(tmp_path, 3)
    os.rename(tmp_path / "wfdb", tmp_path / "unmounted")
    assert counts(convert(tmp_path)) == (0, 0, 3)
    os.rename(tmp_path / "unmounted", tmp_path / "wfdb")
    assert counts(convert_again(tmp_path)) == (3, 0, 0)


def test_a_signal_file_cut_short_after_conversion_is_not_called_up_to_date(tmp_path: Path) -> None:
    make_plan(tmp_path, 2)
    convert(tmp_path)
    write((tmp_path / "wfdb" / study_path(40_000_001)).with_suffix(".dat"), b"short")
    assert counts(convert(tmp_path)) == (0, 1, 1)
    assert outcomes(tmp_path)["40000001"].startswith("SignalError: ")
