#!/usr/bin/env python3
"""Coverage-guided fuzzing of one reader: only its documented errors may come out.

    fuzz.py TARGET [libFuzzer options, such as -max_total_time=60] [corpus folders]

Targets: header (parser of WFDB headers), record (header and signal file converted as a whole, the wfdb path as well),
csv (study CSV), measurements (CSV of metadata), pickle (metadata as a pickle), table (plan files and receipts), dicom
(the reading side: checker, restorer, reader).

What breaks a promise is written to a file crash-… beside the corpus; give it as an argument to see it again.
"""

import contextlib
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
MEMORY = 4 << 30  # bytes of address space: what needs more has believed a lie

atheris.enabled_hooks.add("str")
with atheris.instrument_imports(include=["wfdb2dicom", "wfdb.io"]):
    from wfdb2dicom import convert_record
    from wfdb2dicom.acquisition import Acquisition
    from wfdb2dicom.batches import tables
    from wfdb2dicom.conformance import checker
    from wfdb2dicom.dicom import part10, restore
    from wfdb2dicom.errors import ConfigError, StudyError
    from wfdb2dicom.inputs import studies
    from wfdb2dicom.inputs.measurements import read_metadata
    from wfdb2dicom.page import ecg
    from wfdb2dicom.records.header import parse
    from wfdb2dicom.system.tsv import end_mark

SCRATCH = Path(tempfile.mkdtemp(prefix="wfdb2dicom-fuzz-"))


def header(data: bytes) -> None:
    """`parse` returns, or raises HeaderError."""
    with contextlib.suppress(StudyError):
        parse(data)


def record(data: bytes) -> None:
    """Header and signal file, parted by a NUL byte, are converted or refused."""
    text, _, signal = data.partition(b"\0")
    for name in ("100.hea", "100.dat", "100.dcm"):
        (SCRATCH / name).unlink(missing_ok=True)
    (SCRATCH / "100.hea").write_bytes(text)
    (SCRATCH / "100.dat").write_bytes(signal)
    known = Acquisition(subject_id="1", study_id="100", ecg_time="2180-07-23 08:44:00")
    try:
        convert_record(SCRATCH / "100", SCRATCH / "100.dcm", known)
    except (StudyError, OSError):
        return
    found = checker.check_file(SCRATCH / "100.dcm")
    # Noise may look like swapped bytes, and a header may hold any baseline: both are suspicious, and neither is wrong.
    if findings := [f for f in found if "smoother" not in f.message and "further off" not in f.message]:
        raise AssertionError(f"what was converted does not conform: {findings[:3]}")


def csv(data: bytes) -> None:
    """The study CSV gives studies whose paths stay inside, or is refused."""
    path = SCRATCH / "list.csv"
    path.write_bytes(data)
    try:
        found = studies.read_studies(path, studies.StudyColumns(), SCRATCH).studies
    except ConfigError:
        return
    for study in found:
        parts = study.dicom.split("/")
        assert study.error or (study.study_id and ".." not in parts and parts[0]), study


def measurements(data: bytes) -> None:
    """A CSV of metadata is read or refused, and so is every row."""
    path = SCRATCH / "m.csv"
    path.write_bytes(data)
    try:
        table = read_metadata(path, "study_id", annotations=True)
    except ConfigError:
        return
    for study_id in ("1", "40689238"):
        known, _ = table.lookup(studies.Study(study_id, "", "r", "r", "", ""))
        assert Acquisition.from_json(known.to_json()) == known


def pickle(data: bytes) -> None:
    """A pickle is a data frame or refused."""
    path = SCRATCH / "m.pkl"
    path.write_bytes(data)
    with contextlib.suppress(ConfigError):
        read_metadata(path, "study_id")


def table(data: bytes) -> None:
    """A plan file or receipt is whole or damaged; a damaged one is a TableError. The digest is always right here."""
    path = SCRATCH / "t.tsv"
    path.write_bytes(data + end_mark(data))
    for read in (tables.read_plan, tables.read_receipt, tables.read_run):
        with contextlib.suppress(tables.TableError):
            read(path)


def dicom(data: bytes) -> None:
    """The checker reports, the restorer and the reader read or refuse."""
    checker.check_bytes(data)
    with contextlib.suppress(part10.MalformedError):
        part10.parse(data)
    path = SCRATCH / "x.dcm"
    path.write_bytes(data)
    with contextlib.suppress(StudyError, OSError):
        restore.restore(data, "100")
    with contextlib.suppress(ecg.EcgError, OSError):
        ecg.read(path)


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function for function in (header, record, csv, measurements, pickle, table, dicom)
}


def seeds(target: str, folder: Path) -> None:
    """Something well-formed to begin with, short enough to be changed a hundred thousand times."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"100.dat 16 200.0(0)/mV 16 0 0 0 0 {lead}\n" for lead in ("I", "II", "V1"))
    text = f"100 3 500 8 08:44:00 23/07/2180\n{lines}# <subject_id>: 1\n".encode()
    other = text.replace(b" 16 200", b" 212 200")
    samples = bytes(48)
    (SCRATCH / "s.hea").write_bytes(text.replace(b"100", b"s"))
    (SCRATCH / "s.dat").write_bytes(samples)
    convert_record(SCRATCH / "s", SCRATCH / "s.dcm", Acquisition(subject_id="1", study_id="100"))
    row = tables.PlanRow(*"1234567")
    tables.write_plan(SCRATCH / "s.tsv", {"wfdb_dir": "a"}, [row, row])
    given = {
        "header": [text, other],
        "record": [text + b"\0" + samples, other + b"\0" + samples[:36], b"100/2 3 500 16\na 8\nb 8\n"],
        "csv": [b'subject_id,study_id,path\n1,40689238,files/p1000/p10000032/s40689238/40689238\n1,"2",a/2.hea\n'],
        "measurements": [
            b"subject_id,study_id,cart_id,ecg_time,report_0,bandwidth,filtering,rr_interval\n"
            b"1,40689238,6848296,2180-07-23 08:44:00,Sinus rhythm,0.005-150 Hz,60 Hz notch,659\n"
        ],
        "pickle": [],
        "table": [(SCRATCH / "s.tsv").read_bytes().partition(b"#end ")[0]],
        "dicom": [(SCRATCH / "s.dcm").read_bytes()],
    }
    if target == "pickle":
        import pandas as pd

        for protocol in (2, 5):
            pd.DataFrame({"study_id": [1], "cart_id": ["2"]}).to_pickle(SCRATCH / "s.pkl", protocol=protocol)
            given["pickle"].append((SCRATCH / "s.pkl").read_bytes())
    for number, content in enumerate(given[target]):
        (folder / f"seed-{number}").write_bytes(content)


def main() -> None:
    """Fuzz."""
    target, *arguments = sys.argv[1:] or [""]
    if target not in TARGETS:
        sys.exit(__doc__)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    if not any(not word.startswith("-") for word in arguments):
        arguments.append(str(SCRATCH / "corpus"))
    seeds(target, Path(next(word for word in arguments if not word.startswith("-"))))
    atheris.Setup([sys.argv[0], "-timeout=20", "-rss_limit_mb=3000", *arguments], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
