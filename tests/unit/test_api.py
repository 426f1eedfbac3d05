"""The public functions: what they give, and that a wrong argument is refused where it is given."""

import json
import os
import subprocess
import sys
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import wfdb
import yaml

import wfdb2dicom
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.dicom.options import CHOICES, Options
from wfdb2dicom.errors import ArgumentError, ConfigError, StudyError, SubjectMismatch, Wfdb2DicomError

from .conftest import ecg

CLASSES = [  # leads, samples, Hz, format
    ("12-lead", 12, 1000, 500.0, 16),
    ("general", 15, 1000, 1000.0, 16),
    ("ambulatory", 2, 40_000, 128.0, 16),
    ("general-32bit", 12, 1000, 500.0, 32),
]
LEADS = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6", "X", "Y", "Z"]


@pytest.mark.parametrize(("sop_class", "n_leads", "n_samples", "frequency", "bits"), CLASSES)
def test_read_gives_what_wfdb_gives_for_every_class(
    tmp_path: Path, sop_class: str, n_leads: int, n_samples: int, frequency: float, bits: int
) -> None:
    rng = np.random.default_rng(1)
    largest = 2**15 - 1 if bits == 16 else 2**23
    counts = rng.integers(-largest, largest, (n_samples, n_leads))
    scale = 1 if bits == 16 else 256  # amplitudes of an ECG: a decimal string of 16 characters has 1e-14 of them
    counts[7, 0] = -(2 ** (bits - 1))  # invalid
    wfdb.wrsamp(
        "r",
        fs=frequency,
        units=["mV"] * n_leads,
        sig_name=LEADS[:n_leads],
        d_signal=counts,
        fmt=[str(bits)] * n_leads,
        adc_gain=[gain * scale for gain in (200.0, 300.0, 1000.7, *[777.0] * 12)][:n_leads],
        baseline=[0, 17, -5, *[1] * 12][:n_leads],
        write_dir=str(tmp_path),
    )
    done = wfdb2dicom.convert_record(
        tmp_path / "r", tmp_path / "r.dcm", subject_id=1, ecg_time="2100-01-01 00:00:00", options=Options()
    )
    found = wfdb2dicom.read(done.path)
    source = wfdb.rdrecord(str(tmp_path / "r"))
    assert wfdb2dicom.check(done.path, tmp_path / "r") == []
    assert done.facts["sop_class_uid"] == next(
        c.uid for c in wfdb2dicom.dicom.sop_classes.SOP_CLASSES if c.name == sop_class
    )
    assert found.sampling_frequency == frequency and list(found.leads) == source.sig_name
    assert np.isnan(found.millivolts[7, 0]) and np.isnan(source.p_signal[7, 0])
    np.testing.assert_allclose(found.millivolts, source.p_signal, rtol=0, atol=1e-9)


def test_convert_record_takes_ids_as_pandas_gives_them_and_a_trailing_hea(make_record, tmp_path: Path) -> None:
    record = make_record(subject="", moment="")
    row = pd.Series(
        {"subject_id": np.int64(10000032), "study_id": 40689238.0, "cart_id": 6848296, "lowpassfilter": 0.05}
    )
    time = datetime(2180, 7, 23, 8, 44)
    done = wfdb2dicom.convert_record(f"{record}.hea", tmp_path / "x.dcm", row, ecg_time=time)
    assert (done.status, done.path, done.size) == ("converted", tmp_path / "x.dcm", (tmp_path / "x.dcm").stat().st_size)
    ds = pydicom.dcmread(done.path)
    assert (ds.PatientID, ds.StudyID, ds.StationName) == ("10000032", "40689238", "6848296")
    assert ds.AcquisitionDateTime == "21800723084400"
    assert done.sop_instance_uid == ds.SOPInstanceUID == done.facts["sop_instance_uid"]
    again = wfdb2dicom.convert_record(record, tmp_path / "x.dcm", dict(row), ecg_time=str(time))
    assert (again.status, again.sha256, again.facts) == ("current", done.sha256, done.facts)
    json.dumps(dict(done.facts))


def test_a_table_and_its_row_give_the_same_object(make_record, tmp_path: Path) -> None:
    record, table = make_record(), tmp_path / "m.csv"
    row = {"subject_id": 10000032, "study_id": 40689238, "cart_id": 6848296, "bandwidth": "0.05-150 Hz"}
    pd.DataFrame([row]).to_csv(table, index=False)
    by_table = wfdb2dicom.convert_record(record, tmp_path / "a.dcm", table)
    by_row = wfdb2dicom.convert_record(record, tmp_path / "b.dcm", row)
    assert by_table.sha256 == by_row.sha256


def test_to_dataset_is_the_file_without_the_file(make_record, tmp_path: Path) -> None:
    record = make_record()
    done = wfdb2dicom.convert_record(record, tmp_path / "x.dcm")
    before = sorted(tmp_path.rglob("*"))
    dataset = wfdb2dicom.to_dataset(record)
    assert sorted(tmp_path.rglob("*")) == before
    dataset.save_as(tmp_path / "y.dcm", enforce_file_format=True)
    assert pydicom.dcmread(tmp_path / "y.dcm") == pydicom.dcmread(done.path)


def test_restore_gives_the_files_back(make_record, tmp_path: Path) -> None:
    record = make_record()
    done = wfdb2dicom.convert_record(record, tmp_path / "x.dcm")
    signal, header = wfdb2dicom.restore(done.path, tmp_path / "back")
    assert signal.read_bytes() == Path(f"{record}.dat").read_bytes()
    assert header.name == "40689238.hea"
    with pytest.raises(ArgumentError, match=r"order: 'mimick' is none of stored, mimic, standard"):
        wfdb2dicom.restore(done.path, tmp_path / "back", order="mimick")


def test_draw_goes_by_the_extension(make_record, tmp_path: Path) -> None:
    done = wfdb2dicom.convert_record(make_record(), tmp_path / "x.dcm")
    wfdb2dicom.draw(done.path, tmp_path / "x.SVG", pixels_per_mm=3)
    assert b"<svg" in (tmp_path / "x.SVG").read_bytes()
    with pytest.raises(ArgumentError, match="a page is a"):
        wfdb2dicom.draw(done.path, tmp_path / "x.gif")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"lead_order": "standrad"}, "lead_order: 'standrad' is none of source, standard"),
        ({"sop_class": "12lead"}, "sop_class: '12lead' is none of auto, 12-lead, general"),
        ({"other_signals": "skip"}, "other_signals: 'skip' is none of error, omit"),
        ({"unknown_leads": None}, "unknown_leads: None is none of error, local"),
        ({"annotations": "no"}, "annotations: 'no' is neither True nor False"),
        ({"uid_root": "banana"}, "is not a UID root"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_given(options: dict, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Options(**options)


def test_an_id_of_an_acquisition_is_text() -> None:
    with pytest.raises(ArgumentError, match="subject_id: 10006096 is not text; write '10006096'"):
        Acquisition(subject_id=10006096)  # type: ignore[arg-type]


def test_the_choices_are_those_of_the_configuration(project: Path) -> None:
    schema = yaml.safe_load((project / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    assert {name: tuple(schema["properties"][name]["enum"]) for name in CHOICES} == CHOICES


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"subject_id": 3.5}, "subject_id: 3.5 is not an id"),
        ({"subject_id": True}, "subject_id: True is not an id"),
        ({"study_id": b"1"}, "study_id: b'1' is not an id"),
        ({"ecg_time": "2180-07-23"}, "ecg_time: '2180-07-23' is not YYYY-MM-DD HH:MM:SS"),
        ({"ecg_time": datetime(2180, 7, 23, tzinfo=UTC)}, "has a UTC offset"),
        ({"metadata": [1, 2]}, "a list is not a row"),
        ({"metadata": pd.DataFrame({"study_id": [1]})}, "a DataFrame is not a row"),
        ({"metadata": {"cartid": 1}}, "none of cartid is a column"),
        ({"options": {"lead_order": "source"}}, "is not an Options object"),
    ],
)
def test_a_wrong_argument_is_refused_where_it_is_given(
    make_record, tmp_path: Path, arguments: dict, words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        wfdb2dicom.convert_record(make_record(), tmp_path / "x.dcm", **arguments)
    assert not (tmp_path / "x.dcm").exists()


def test_contradictions_and_missing_rows_are_errors_of_the_study(make_record, tmp_path: Path) -> None:
    record = make_record()
    with pytest.raises(SubjectMismatch, match="the metadata are of subject_id 1, the argument says 2"):
        wfdb2dicom.to_dataset(record, {"subject_id": 1}, subject_id=2)
    (tmp_path / "m.csv").write_text("study_id,cart_id\n1,2\n")
    with pytest.raises(StudyError, match="Missing df_info row for study_id 40689238"):
        wfdb2dicom.to_dataset(record, tmp_path / "m.csv")
    with pytest.raises(OSError, match="none"):
        wfdb2dicom.to_dataset(tmp_path / "none", subject_id=1)


def test_a_signal_file_and_a_file_of_another_kind_are_not_replaced(make_record, tmp_path: Path) -> None:
    record = make_record()
    (tmp_path / "notes.txt").write_text("precious " * 40)
    for out in (f"{record}.dat", tmp_path / "notes.txt"):
        before = Path(out).read_bytes()
        with pytest.raises(ConfigError, match="give"):
            wfdb2dicom.convert_record(record, out)
        assert Path(out).read_bytes() == before


def test_no_fifo_is_waited_for_or_replaced(make_record, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for read in (wfdb2dicom.read, wfdb2dicom.check, lambda path: wfdb2dicom.restore(path, tmp_path)):
        with pytest.raises(OSError, match="not a regular file but a FIFO"):
            read(fifo)
    with pytest.raises(ConfigError, match="fifo exists and is not a regular file"):
        wfdb2dicom.convert_record(make_record(), fifo)
    link = tmp_path / "link.dcm"
    wfdb2dicom.convert_record(make_record(), tmp_path / "x.dcm")
    link.symlink_to("x.dcm")
    assert wfdb2dicom.check(link) == [] and wfdb2dicom.read(link).leads


def test_every_error_has_one_base(tmp_path: Path) -> None:
    import wfdb2dicom.errors as errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) > 10 and all(issubclass(kind, Wfdb2DicomError) for kind in kinds)


def test_every_public_name_is_there_and_importing_the_package_imports_nothing() -> None:
    for name in wfdb2dicom.__all__:
        assert getattr(wfdb2dicom, name) is not None and name in dir(wfdb2dicom)
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = wfdb2dicom.nonsense
    script = "import sys; import wfdb2dicom; print([n for n in sys.modules if n.startswith(('wfdb2dicom.', 'numpy'))])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "[]\n"


def test_read_needs_numpy_and_pydicom_alone(make_record, tmp_path: Path) -> None:
    done = wfdb2dicom.convert_record(make_record(samples=ecg()), tmp_path / "x.dcm")
    script = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in REFUSED: raise ModuleNotFoundError(name)\n"
        "REFUSED = {'wfdb', 'pandas', 'pyarrow', 'matplotlib', 'scipy', 'snakemake', 'yaml', 'soundfile', 'jinja2'}\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import wfdb2dicom\n"
        "print(wfdb2dicom.read(sys.argv[1]).millivolts.shape[1])\n"
    )
    run = subprocess.run([sys.executable, "-c", script, str(done.path)], capture_output=True, text=True)
    assert run.stdout == "12\n", run.stderr


def test_facts_name_leads_as_read_does_however_the_header_spells_them(make_record, tmp_path: Path) -> None:
    samples = ecg(n_signals=3)
    samples[5, 0] = -32768
    samples[:, 1] = 7
    done = wfdb2dicom.convert_record(make_record(samples=samples, leads=("AVR", "avl", "v1")), tmp_path / "x.dcm")
    found = wfdb2dicom.read(done.path)
    assert (done.facts["invalid_samples"], done.facts["flat_leads"]) == ({"aVR": 1}, ["aVL"])
    assert found.leads == ("aVR", "aVL", "V1") and np.isnan(found.millivolts[5, found.leads.index("aVR")])


def test_leads_of_different_length_are_traces(make_record, tmp_path: Path) -> None:
    ds = wfdb2dicom.to_dataset(make_record())
    group = ds.WaveformSequence[0]
    second = deepcopy(group)
    second.ChannelDefinitionSequence = second.ChannelDefinitionSequence[:1]
    second.ChannelDefinitionSequence[0].ChannelLabel = "Rhythm"
    del second.ChannelDefinitionSequence[0].ChannelSourceSequence
    second.NumberOfWaveformChannels, second.NumberOfWaveformSamples = 1, 10
    second.WaveformData = bytes(20)
    ds.WaveformSequence.append(second)
    ds.save_as(tmp_path / "x.dcm")
    found = wfdb2dicom.read(tmp_path / "x.dcm")
    assert len(found.leads) == 13 and found.sampling_frequency == 500
    with pytest.raises(Wfdb2DicomError, match="different lengths"):
        _ = found.millivolts
