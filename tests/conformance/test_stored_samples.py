"""Objects whose samples are not the record's own: baselines subtracted, invalid samples held. Both can be undone."""

import json
from argparse import Namespace
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import wfdb
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.waveforms import multiplex_array

from wfdb2dicom import Outcome, convert_record
from wfdb2dicom.acquisition import Acquisition, from_row
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, write_plan, write_receipt
from wfdb2dicom.checks.checked_objects import read_checked
from wfdb2dicom.checks.roundtrip import roundtrip
from wfdb2dicom.checks.sample import ALL
from wfdb2dicom.cli import info
from wfdb2dicom.conformance.checker import check_file
from wfdb2dicom.conformance.source import check_source
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.restore import restore

WHO = Acquisition(subject_id="7", ecg_time="2100-01-02 03:04:05")
INVALID = -32768
BOTH = Options(baseline="zero", invalid_samples="hold")


def write(
    folder: Path, signals: dict[str, list[int]], baseline: int = 100, frequency: int = 250, bits: int = 16
) -> Path:
    """A WFDB record of these samples."""
    samples = np.array(list(signals.values()), f"<i{bits // 8}").T
    lines = [f"r {len(signals)} {frequency} {len(samples)} 03:04:05 02/01/2100"]
    for n, name in enumerate(signals):
        total = int(samples[:, n].astype("<u2").sum(dtype="<u2"))
        lines.append(f"r.dat {bits} 200.0({baseline})/mV {bits} 0 {samples[0, n]} {total} 0 {name}")
    (folder / "r.hea").write_text("\n".join([*lines, "# <subject_id>: 7"]) + "\n")
    (folder / "r.dat").write_bytes(samples.tobytes())
    return folder / "r"


def write_gaps(folder: Path, frequency: int = 250, bits: int = 16) -> Path:
    """Gaps at the beginning, within and at the end of II; V1 without a valid sample; V2 without a gap."""
    none, most = -(2 ** (bits - 1)), 115 if bits == 16 else 100_000
    signals = {
        "II": [none, none, 120, 121, none, 123, none],
        "V1": [none] * 7,
        "V2": [90, 95, 100, 105, 110, most, 120],
    }
    return write(folder, signals, frequency=frequency, bits=bits)


@pytest.fixture
def gaps(tmp_path: Path) -> Path:
    return write_gaps(tmp_path)


@pytest.mark.parametrize("baseline", ["source", "zero"])
@pytest.mark.parametrize("invalid_samples", ["keep", "hold"])
@pytest.mark.parametrize(
    ("sop_class", "frequency", "bits"),
    [("12-lead", 500, 16), ("general", 250, 16), ("ambulatory", 100, 16), ("general-32bit", 500, 32)],
)
def test_every_form_conforms_agrees_with_its_source_and_comes_back_to_the_byte(
    tmp_path: Path,
    complaints: Callable[[Path], list[str]],
    baseline: str,
    invalid_samples: str,
    sop_class: str,
    frequency: int,
    bits: int,
) -> None:
    record, dicom = write_gaps(tmp_path, frequency, bits), tmp_path / "x.dcm"
    options = Options(baseline=baseline, invalid_samples=invalid_samples, sop_class=sop_class)
    for status in ("converted", "current"):
        done = convert_record(record, dicom, WHO, options)
        assert done.status == status
    assert [str(violation) for violation in check_file(dicom) + check_source(dicom, record)] == []
    assert bits == 32 or complaints(dicom) == []  # dciodvfy does not know General 32-bit ECG
    restored = restore(dicom.read_bytes(), "r")
    assert restored.header == record.with_suffix(".hea").read_bytes()
    assert restored.signal == record.with_suffix(".dat").read_bytes()
    if bits == 16:
        assert round_trip(tmp_path, options, done) == ("good", ())


def round_trip(folder: Path, options: Options, done: Outcome) -> tuple[str, tuple[str, ...]]:
    """What the target `roundtrip` says of x.dcm."""
    sums = (f"{sha256((folder / name).read_bytes()).hexdigest()} {name}\n" for name in ("r.hea", "r.dat"))
    (folder / "SHA256SUMS.txt").write_text("".join(sums))
    plan, receipt = folder / "plan.tsv", folder / "receipt.tsv"
    size = (folder / "r.dat").stat().st_size
    named = {"wfdb_dir": str(folder), "dcm_dir": str(folder), "baseline": options.baseline}
    write_plan(plan, named, [PlanRow("r", "7", "r", "x.dcm", f"1:1,{size}:1", "{}", "")])
    facts = json.dumps(dict(done.facts))
    row = ReceiptRow("r", "converted", "", "", "x.dcm", str(done.size), str(done.mtime_ns), done.sha256, facts)
    write_receipt(receipt, [row])
    roundtrip(plan, receipt, ALL, folder / "table.tsv")
    (checked,) = read_checked(folder / "table.tsv")
    return checked.result, checked.details


def test_held_samples_repeat_the_last_valid_value_and_say_so(gaps: Path, tmp_path: Path) -> None:
    convert_record(gaps, tmp_path / "x.dcm", WHO, BOTH)
    ds = dcmread(tmp_path / "x.dcm")
    (group,) = ds.WaveformSequence
    assert multiplex_array(ds, 0, as_raw=True).T.tolist() == [
        [20, 20, 20, 21, 21, 23, 23],
        [0] * 7,
        [-10, -5, 0, 5, 10, 15, 20],
    ]
    assert group.WaveformOriginality == "DERIVED" and "WaveformPaddingValue" not in group
    assert [channel.get("ChannelStatus", "") for channel in group.ChannelDefinitionSequence] == [
        "QUESTIONABLE",
        "INVALID",
        "",
    ]
    marks = {
        item.ReferencedWaveformChannels[1]: (item.TemporalRangeType, np.atleast_1d(item.ReferencedSamplePositions))
        for item in ds.WaveformAnnotationSequence
    }
    assert {n: (kind, list(where)) for n, (kind, where) in marks.items()} == {
        1: ("MULTISEGMENT", [1, 2, 5, 5, 7, 7]),
        2: ("SEGMENT", [1, 7]),
    }


def test_without_baselines_a_reader_that_ignores_them_has_the_millivolts_of_the_source(
    offset_record: Path, tmp_path: Path
) -> None:
    convert_record(offset_record, tmp_path / "x.dcm", from_row({}), Options(baseline="zero"))
    ds = dcmread(tmp_path / "x.dcm")
    channels = ds.WaveformSequence[0].ChannelDefinitionSequence
    assert {float(channel.ChannelBaseline) for channel in channels} == {0.0}
    counts = multiplex_array(ds, 0, as_raw=True)
    ignoring = counts * np.array([float(channel.ChannelSensitivity) for channel in channels])
    assert np.abs(ignoring - wfdb.rdrecord(str(offset_record)).p_signal).max() <= 1e-9


def test_baselines_stay_where_a_sample_would_not_fit(tmp_path: Path) -> None:
    record = write(tmp_path, {"II": [-32700, 0], "V1": [1, 2]})
    convert_record(record, tmp_path / "x.dcm", WHO, Options(baseline="zero"))
    ds = dcmread(tmp_path / "x.dcm")
    assert multiplex_array(ds, 0, as_raw=True).T.tolist() == [[-32700, 0], [1, 2]]
    assert float(ds.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelBaseline) == -0.5
    assert restore((tmp_path / "x.dcm").read_bytes(), "r").signal == (tmp_path / "r.dat").read_bytes()


def test_modified_limb_leads_are_told_apart_by_modifiers(tmp_path: Path) -> None:
    record = write(tmp_path, {"MLI": [1, 2], "MLII": [3, 4], "V": [5, 6]})
    convert_record(record, tmp_path / "x.dcm", WHO)
    channels = dcmread(tmp_path / "x.dcm").WaveformSequence[0].ChannelDefinitionSequence
    found = [[item.CodeValue for item in channel.get("ChannelSourceModifiersSequence", ())] for channel in channels]
    assert found == [["2:1"], ["2:2"], []]
    assert check_file(tmp_path / "x.dcm") == []


def derived(ds: FileDataset) -> None:
    ds.WaveformSequence[0].WaveformOriginality = "ORIGINAL"


def status(ds: FileDataset) -> None:
    del ds.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelStatus


def beyond(ds: FileDataset) -> None:
    ds.WaveformAnnotationSequence[1].ReferencedSamplePositions = [1, 8]


def kind(ds: FileDataset) -> None:
    ds.WaveformAnnotationSequence[1].TemporalRangeType = "POINT"


def unmarked(ds: FileDataset) -> None:
    del ds.WaveformAnnotationSequence


def undescribed(ds: FileDataset) -> None:
    del ds.WaveformSequence[0].ChannelDefinitionSequence[0].ChannelDerivationDescription


def title(ds: FileDataset) -> None:
    ds.StudyDescription = "ECG of 12 leads"


@pytest.mark.parametrize("mutate", [derived, status, beyond, kind, unmarked, undescribed, title])
def test_the_checker_objects_to_what_contradicts_the_samples(
    gaps: Path, tmp_path: Path, mutate: Callable[[FileDataset], None]
) -> None:
    convert_record(gaps, tmp_path / "x.dcm", WHO, BOTH)
    ds = dcmread(tmp_path / "x.dcm")
    mutate(ds)
    ds.save_as(tmp_path / "x.dcm")
    assert check_file(tmp_path / "x.dcm")


def test_the_issuer_keeps_patients_apart(gaps: Path, tmp_path: Path, complaints: Callable[[Path], list[str]]) -> None:
    convert_record(gaps, tmp_path / "x.dcm", WHO, Options(issuer_of_patient_id="MIMIC-IV"))
    assert dcmread(tmp_path / "x.dcm").IssuerOfPatientID == "MIMIC-IV"
    assert check_file(tmp_path / "x.dcm") == [] and complaints(tmp_path / "x.dcm") == []


def test_info_tells_what_was_done_to_the_samples(
    gaps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert_record(gaps, tmp_path / "x.dcm", WHO, BOTH)
    assert info.run(Namespace(source=tmp_path / "x.dcm")) == 0
    said = capsys.readouterr().out
    assert "invalid samples:  II 4, V1 7\n" in said
    steps = "Baselines were subtracted from the samples: 100, 100, 100; Invalid samples were replaced by"
    assert f"steps:            Converted from a WFDB record; {steps} the last valid value\n" in said
