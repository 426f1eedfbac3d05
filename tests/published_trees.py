"""A few records of each collection in datasets/, as its publisher ships them, and what is right for them.

Names, columns, leads, gains and comments are those of the collections (docs/datasets.md); samples are synthetic unless
real records are at hand, and most records are shorter than real ones.
"""

import shutil
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TWELVE = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
MIMIC = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")
CAPITALS = tuple(lead.upper() for lead in TWELVE)
SMALL = tuple(lead.lower() for lead in TWELVE)
FRANK = ("vx", "vy", "vz")
FIFTEEN = (*TWELVE, "X", "Y", "Z")
PLACEHOLDER = "1900-01-01 00:00:00"


@dataclass(frozen=True)
class Object:
    """What the DICOM of a study says of it."""

    subject: str
    time: str
    source: str  # time_source of the manifest
    sex: str = ""
    age: str = ""
    leads: tuple[str, ...] = TWELVE
    rate: float = 500
    dates: str = "MODIFIED"  # Longitudinal Temporal Information Modified


@dataclass(frozen=True)
class Collection:
    """A collection as it is shipped.

    Attributes
    ----------
    write : callable
        Writes the tree into a folder; the second argument is the folder of real records, where there is one.
    converted : dict
        Study id → its object.
    refused : dict
        Study id → a pattern of its error's beginning.
    zipped : bool
        Whether the test takes it as a ZIP.
    """

    write: Callable[[Path, Path | None], None]
    converted: dict[str, Object]
    refused: dict[str, str]
    zipped: bool


def record(
    stem: Path,
    leads: Iterable[str] = TWELVE,
    rate: int = 500,
    *,
    length: int = 600,
    gain: str = "1000.0(0)/mV",
    moment: str = "",
    comments: Iterable[str] = (),
    files: tuple[str, ...] = (".dat",),
    form: str = "16",
    end: str = "\n",
) -> None:
    """Write a record in format 16: twelve signals in the first of its files, the rest in the second."""
    names = list(leads)
    seed = sum(stem.name.encode())
    samples = np.random.default_rng(seed).integers(-900, 900, (length, len(names))).astype("<i2")
    stem.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{stem.name} {len(names)} {rate} {length} {moment}".rstrip()]
    for number, suffix in enumerate(files):
        first = 12 * number
        part = samples[:, first : first + 12]
        offset = bytes(24) if form.endswith("+24") else b""
        stem.with_suffix(suffix).write_bytes(offset + part.tobytes())
        sums = part.sum(axis=0, dtype=np.int64).astype(np.int16)  # as WFDB writes them: 16 bits, signed
        lines += [
            f"{stem.name}{suffix} {form} {gain} 16 0 {part[0, n]} {sums[n]} 0 {lead}"
            for n, lead in enumerate(names[first : first + 12])
        ]
    stem.with_suffix(".hea").write_bytes((end.join([*lines, *comments]) + end).encode())


def copy_real(stem: Path, real: Path | None) -> bool:
    """Put the real record of that name in its place, where there is one."""
    found = sorted(real.glob(f"*/{stem.name}.*")) if real else []
    stem.parent.mkdir(parents=True, exist_ok=True)
    for path in found:
        shutil.copy(path, stem.parent)
    return bool(found)


def pack(folder: Path, path: Path, top: str) -> None:
    """The ZIP of a tree as PhysioNet serves it: one top folder."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}/{file.relative_to(folder)}")


def _mimic(folder: Path, real: Path | None) -> None:
    rows, measured = ["subject_id,study_id,file_name,ecg_time,path"], []
    for subject, study, time in (
        (10000032, 40689238, "2180-07-23 08:44:00"),
        (10000032, 44458630, "2180-07-23 09:54:00"),
        (10000032, 49036311, "2180-08-06 09:07:00"),  # its download broke off before the first byte
    ):
        path = f"files/p{str(subject)[:4]}/p{subject}/s{study}/{study}"
        day, clock = time.split()
        moment = f"{clock} {'/'.join(reversed(day.split('-')))}"
        comment = f"# <subject_id>: {subject}"
        record(folder / path, MIMIC, gain="200.0(0)/mV", moment=moment, comments=[comment])
        rows.append(f"{subject},{study},{study},{time},{path}")
        measured.append(f"{subject},{study},6848296,{time},Sinus rhythm,0.005-150 Hz,60 Hz notch Baseline filter,659")
    copy_real(folder / "files/p1000/p10000032/s49036311/49036311", real)  # the header: real signals are not public
    (folder / "files/p1000/p10000032/s49036311/49036311.dat").write_bytes(b"")
    _lines(folder / "record_list.csv", rows)
    columns = "subject_id,study_id,cart_id,ecg_time,report_0,bandwidth,filtering,rr_interval"
    _lines(folder / "machine_measurements.csv", [columns, *measured])


def _mimic_demo(folder: Path, real: Path | None) -> None:
    rows = ["subject_id,study_id,file_name,ecg_time,path"]
    for study, time in ((107143276, "2180-07-23 08:44:24"), (102511170, "2180-08-06 09:07:36")):
        path = f"files/p10000032/s{study}/{study}"
        day, clock = time.split()
        moment = f"{clock} {'/'.join(reversed(day.split('-')))}"
        record(folder / path, MIMIC, gain="200.0(0)/mV", moment=moment, comments=["# <subject_id>: 10000032"])
        rows.append(f"10000032,{study},{study},{time},{path}")
    _lines(folder / "record_list.csv", rows)


PTB_XL = (  # ecg_id, patient_id, age, sex, recording_date
    (1, "15709.0", "56.0", 1, "1984-11-09 09:17:34"),
    (2, "13243.0", "300.0", 0, "1984-11-14 12:55:37"),
    (3, "20372.0", "", 1, "1984-11-15 12:49:10"),
    (4, "17014.0", "89.0", 0, "1984-11-15 13:44:57"),
)
PTB_XL_COLUMNS = (
    "ecg_id,patient_id,age,sex,height,weight,nurse,site,device,recording_date,report,scp_codes,heart_axis,"
    "infarction_stadium1,infarction_stadium2,validated_by,second_opinion,initial_autogenerated_report,"
    "validated_by_human,baseline_drift,static_noise,burst_noise,electrodes_problems,extra_beats,pacemaker,strat_fold,"
    "filename_lr,filename_hr"
)


def _ptb_xl(folder: Path, real: Path | None) -> None:
    rows = [PTB_XL_COLUMNS]
    for ecg, patient, age, sex, time in PTB_XL:
        low, high = f"records100/00000/{ecg:05d}_lr", f"records500/00000/{ecg:05d}_hr"
        if not copy_real(folder / low, real):
            record(folder / low, CAPITALS, 100)
        record(folder / high, CAPITALS)
        rows.append(
            f'{ecg},{patient},{age},{sex},,63.0,2.0,0.0,CS-12   E,{time},"sinusrhythmus, lage normal",'
            f"\"{{'NORM': 100.0, 'SR': 0.0}}\",,,,,False,False,True,,,,,,,3,{low},{high}"
        )
    _lines(folder / "ptbxl_database.csv", rows)


def _ptb_xl_objects(rate: int) -> dict[str, Object]:
    ages = {"56.0": "056Y", "89.0": "089Y"}
    return {
        str(ecg): Object(patient[:-2], time, "ecg_time", "MF"[sex], ages.get(age, ""), rate=rate)
        for ecg, patient, age, sex, time in PTB_XL
    }


CINC_2020 = (  # folder, record, unit, the moment of its conversion, Hz, samples, age, sex
    ("cpsc_2018", "A0001", "mV", "12-May-2020 12:33:59", 500, 7500, "74", "Male"),
    ("cpsc_2018_extra", "Q0001", "mV", "12-May-2020 12:34:28", 500, 600, "-1", "Female"),
    ("georgia", "E00001", "mV", "05-May-2020 14:50:55", 500, 600, "NaN", "Female"),
    ("ptb", "S0001", "mv", "04-Jun-2020 15:11:56", 1000, 600, "81", "Female"),
    ("ptb-xl", "HR00001", "mv", "04-Jun-2020 15:11:55", 500, 600, "300", "Unknown"),
    ("st_petersburg_incart", "I0001", "mV", "15-May-2020 15:33:30", 257, 17000, "65", "F"),
)
CINC_2021 = (
    ("chapman_shaoxing", "JS00001", "mV", "19-Mar-2021 12:01:30", 500, 600, "85", "Male"),
    ("georgia", "E07500", "mV", "", 500, 600, "78", "Male"),
    ("ningbo", "JS20000", "mV", "", 500, 600, "84", "Female"),
    ("ptb-xl", "HR06000", "mv", "", 500, 600, "59", "Female"),
)


def _cinc(records: tuple[tuple[str, str, str, str, int, int, str, str], ...], form: str) -> Callable[..., None]:
    def write(folder: Path, real: Path | None) -> None:
        for place, name, unit, moment, rate, length, age, sex in records:
            comments = [
                f"#Age: {age}",
                f"#Sex: {sex}",
                "#Dx: 426783006",
                "#Rx: Unknown",
                "#Hx: Unknown",
                "#Sx: Unknown",
            ]
            stem = folder / "training" / place / "g1" / name
            if not copy_real(stem, real):
                record(
                    stem,
                    rate=rate,
                    length=length,
                    gain=f"1000/{unit}",
                    moment=moment,
                    comments=comments,
                    files=(".mat",),
                    form=form,
                )
            _lines(stem.parent / "RECORDS", [name])
        _lines(folder / "RECORDS", [f"training/{place}/g1/" for place, *_ in records])

    return write


def _undated(subject: str, sex: str, age: str, leads: tuple[str, ...] = TWELVE, rate: float = 500) -> Object:
    return Object(subject, PLACEHOLDER, "placeholder", sex, age, leads, rate, "REMOVED")


def _chapman(folder: Path, real: Path | None) -> None:
    places = {"01/010": ["JS00001", "JS00002"], "01/019": ["JS01052"], "23/236": ["JS23074"]}
    for place, names in places.items():
        for name in names:
            comments = ["#Age: 85", "#Sex: Male", "#Dx: 164889003,59118001", "#Rx: Unknown"]
            stem = folder / "WFDBRecords" / place / name
            record(stem, gain="1000/mV", comments=comments, files=(".mat",), form="16+24")
            if len(names) == 1:  # damaged at the publisher: a line break is lost
                header = stem.with_suffix(".hea")
                header.write_text(header.read_text().replace("\n", "", 1))
        _lines(folder / "WFDBRecords" / place / "RECORDS", names)
    _lines(folder / "RECORDS", [f"WFDBRecords/{place}/" for place in places])


def _ludb(folder: Path, real: Path | None) -> None:
    rows = ["ID,Sex,Age,Rhythms,Electric axis of the heart,Ischemia"]
    for name, sex, age in (("1", "F", "51"), ("2", "M", "64"), ("34", "F", ">89")):
        comments = [f"#<age>: {age}", f"#<sex>: {sex}", "#<diagnoses>:", "#Rhythm: Sinus bradycardia."]
        record(folder / "data" / name, SMALL, gain="1716(6)/mV", comments=comments)
        # Every cell of text ends in a line break.
        rows.append(
            f'{name},"{sex}\n","{age}\n","Sinus bradycardia\n","Electric axis: normal\n","STEMI: a\nSTEMI: b\n"'
        )
    _lines(folder / "ludb.csv", rows)
    _lines(folder / "RECORDS", ["data/1", "data/2", "data/34"])


def _ptb_diagnostic(folder: Path, real: Path | None) -> None:
    records = (
        ("patient001/s0010_re", "81", "female", "01/10/1990"),
        ("patient001/s0014lre", "81", "female", "17/10/1990"),
        ("patient285/s0544_re", "n/a", "", "n/a"),
    )
    for path, age, sex, date in records:
        comments = [f"# age: {age}", f"# sex: {sex}", f"# ECG date: {date}", "#", "# Diagnose:", "# Smoker: n/a"]
        comments += ["# Catheterization date: 16-Oct-90", "# Cardiac output (at rest): 4,34 l/min"]
        record(
            folder / path,
            [*SMALL, *FRANK],
            1000,
            gain="2000",
            comments=comments,
            files=(".dat", ".xyz"),
            end="\r\n",
        )
    _lines(folder / "RECORDS", [path for path, *_ in records])


def _incart(folder: Path, real: Path | None) -> None:
    comments = {
        "I01": ("#<age>: 65 <sex>: F <diagnoses> Coronary artery disease, arterial hypertension", "# patient 1"),
        "I08": ("#<age>: 51 <sex>: M ", "# patient 4"),
    }
    for name, lines in comments.items():
        lines = [*lines, "# PVCs, noise"]
        record(folder / name, CAPITALS, 257, length=17000, gain="306", comments=lines)
    _lines(folder / "RECORDS", comments)


def _lines(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


COLLECTIONS = {
    "mimic-iv-ecg": Collection(
        _mimic,
        {
            "40689238": Object("10000032", "2180-07-23 08:44:00", "header", leads=MIMIC),
            "44458630": Object("10000032", "2180-07-23 09:54:00", "header", leads=MIMIC),
        },
        {"49036311": "SignalError: .*49036311.dat has 0 bytes"},
        zipped=True,
    ),
    "mimic-iv-ecg-demo": Collection(
        _mimic_demo,
        {
            "107143276": Object("10000032", "2180-07-23 08:44:24", "header", leads=MIMIC),
            "102511170": Object("10000032", "2180-08-06 09:07:36", "header", leads=MIMIC),
        },
        {},
        zipped=False,
    ),
    "ptb-xl": Collection(_ptb_xl, _ptb_xl_objects(500), {}, zipped=True),
    "ptb-xl-100hz": Collection(_ptb_xl, _ptb_xl_objects(100), {}, zipped=False),
    "cinc2020": Collection(
        _cinc(CINC_2020, "16+24"),
        {
            "A0001": _undated("A0001", "M", "074Y"),
            "Q0001": _undated("Q0001", "F", ""),
            "E00001": _undated("E00001", "F", ""),
            "S0001": _undated("S0001", "F", "081Y", rate=1000),
            "HR00001": _undated("HR00001", "", ""),
            "I0001": _undated("I0001", "F", "065Y", rate=257),
        },
        {},
        zipped=True,
    ),
    "cinc2021": Collection(
        _cinc(CINC_2021, "16x1+24"),
        {
            "JS00001": _undated("JS00001", "M", "085Y"),
            "E07500": _undated("E07500", "M", "078Y"),
            "JS20000": _undated("JS20000", "F", "084Y"),
            "HR06000": _undated("HR06000", "F", "059Y"),
        },
        {},
        zipped=False,
    ),
    "chapman-shaoxing-ningbo": Collection(
        _chapman,
        {name: _undated(name, "M", "085Y") for name in ("JS00001", "JS00002")},
        {"JS01052": "HeaderError", "JS23074": "HeaderError"},
        zipped=True,
    ),
    "ludb": Collection(
        _ludb,
        {"1": _undated("1", "F", "051Y"), "2": _undated("2", "M", "064Y"), "34": _undated("34", "F", "")},
        {},
        zipped=True,
    ),
    "ptb-diagnostic": Collection(
        _ptb_diagnostic,
        {
            "s0010_re": _undated("patient001", "F", "081Y", FIFTEEN, 1000),
            "s0014lre": _undated("patient001", "F", "081Y", FIFTEEN, 1000),
            "s0544_re": _undated("patient285", "", "", FIFTEEN, 1000),
        },
        {},
        zipped=False,
    ),
    "incart": Collection(
        _incart,
        {"I01": _undated("1", "F", "065Y", rate=257), "I08": _undated("4", "M", "051Y", rate=257)},
        {},
        zipped=True,
    ),
}
