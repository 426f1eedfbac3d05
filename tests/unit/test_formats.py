"""Everything that wfdb reads: formats, files, segments, skew, headers that leave fields out, and what is refused."""

import shutil
import subprocess
import warnings
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import wfdb

from wfdb2dicom import Outcome, convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.conformance.checker import check_file
from wfdb2dicom.conformance.source import check_source
from wfdb2dicom.dicom.mapping import describe_object
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.restore import restore
from wfdb2dicom.errors import ChecksumError, HeaderError, LeadError, PathError, SignalError, StudyError, UnitsError
from wfdb2dicom.records.header import parse
from wfdb2dicom.records.stamps import record_stamps
from wfdb2dicom.records.wfdb_reader import read_with_wfdb

WHO = Acquisition(subject_id="1", ecg_time="2100-01-01 00:00:00")
LOCAL = Options(unknown_leads="local")
OMIT = Options(other_signals="omit")
OMIT_LOCAL = Options(other_signals="omit", unknown_leads="local")


def convert(record: Path, dicom: Path, options: Options | None = None) -> Outcome:
    return convert_record(record, dicom, WHO, options)


def read(record: Path) -> Any:
    return read_with_wfdb(str(record), "", record.with_suffix(".hea").read_bytes())


def write(folder: Path, header: str, **files: bytes) -> Path:
    """A record `r` of this header and these signal files (`d0` is d0.dat)."""
    for name, content in files.items():
        (folder / f"{name}.dat").write_bytes(content)
    (folder / "r.hea").write_text(header, encoding="utf-8")
    return folder / "r"


RAMP = np.arange(-200, 200, dtype="<i2").reshape(200, 2)


# --- Every record of the shared data -------------------------------------------------------------------------------

MIT = "wfdb_python"
SEG = "wfdb_python/multi-segment"
# Record → last number of the SOP class, or the error and words of its message.
EXPECTED: dict[str, str | tuple[type[StudyError | OSError], str]] = {
    "cinc2021_torch_ecg/*": "1",
    "ludb_egm/ludb-ecg": "1",
    "ptbxl_100hz/00001_lr": "3",
    "mimic_iv_ecg_headers/*": (FileNotFoundError, "No such file"),
    f"{MIT}/100": "2",
    f"{MIT}/100-no-len": "2",
    f"{MIT}/100_3chan": "2",
    f"{MIT}/100skew": "2",
    f"{MIT}/a103l*": (LeadError, "'PLETH' is not an ECG"),
    f"{MIT}/binformats": (LeadError, "'sig 0, fmt 8'"),
    f"{MIT}/flacformats": (LeadError, "'sig 0, fmt 508'"),
    f"{MIT}/mixedsignals": (SignalError, "different rates .II 249.89 Hz.*Resp 62.4725 Hz"),
    f"{MIT}/test01_00s": (LeadError, "'ECG 1'"),
    f"{MIT}/test01_00s_skew": (LeadError, "'ECG_1'"),
    f"{MIT}/test01_00s_*frame": (SignalError, "different rates"),
    f"{SEG}/041s/*": (SignalError, "different rates .III 500 Hz.*ABP 125 Hz"),
    f"{SEG}/fixed1/*": (LeadError, "'PLETH' is not an ECG"),
    f"{SEG}/p000878/3269321_000?": (LeadError, "'PLETH' is not an ECG"),
    f"{SEG}/*/*_layout": (HeaderError, "states 0 samples"),
    f"{SEG}/p000878/p000878-*": (HeaderError, "variable layout"),
    f"{SEG}/s25047/3234460_001[78]": (LeadError, "'ABP' is not an ECG"),
    f"{SEG}/s25047/3234460_00[01]?": "3",
    f"{SEG}/s25047/s25047-*44": (HeaderError, "variable layout"),
    f"{SEG}/s25047/s25047-*44n": (LeadError, "'HR' is not an ECG"),
}
# The same with `other_signals: omit`, where that changes anything: the SOP class and the signals left out. What holds a
# known lead now converts, but for records of variable layout, whose segments do.
EXPECTED_OMIT: dict[str, tuple[str, list[str]] | tuple[type[StudyError], str]] = {
    f"{MIT}/a103l*": ("2", ["PLETH"]),
    f"{MIT}/mixedsignals": ("2", ["ABP", "Pleth", "Resp"]),
    f"{SEG}/041s/*": ("2", ["ABP", "PAP", "PLETH", "RESP"]),
    f"{SEG}/fixed1/*": ("2", ["PLETH", "RESP"]),
    f"{SEG}/p000878/3269321_0001": (LeadError, "holds no ECG: .*PLETH"),
    f"{SEG}/p000878/3269321_0002": ("3", ["PLETH"]),
    f"{SEG}/s25047/3234460_001[78]": ("3", ["ABP"]),
    f"{SEG}/s25047/s25047-*44n": (LeadError, "holds no ECG: .*HR, PULSE, RESP, SpO2, NBPSys, NBPDias, NBPMean"),
}
# The same with `unknown_leads: local`, where that changes anything.
EXPECTED_LOCAL = {
    f"{MIT}/binformats": "4",
    f"{MIT}/flacformats": "4",
    f"{MIT}/test01_00s": "2",
    f"{MIT}/test01_00s_skew": "2",
}


def expectation(name: str, table: dict[str, Any]) -> Any:
    """The first entry that matches."""
    return next((value for pattern, value in table.items() if Path(name).match(pattern)), None)


def complaints(dciodvfy: Path, dicom: Path) -> list[str]:
    said = subprocess.run([dciodvfy, "-new", dicom], capture_output=True, text=True).stderr
    return [line for line in said.splitlines() if line.startswith(("Error", "Warning"))]


def read_by_wfdb(record: Path, group: Any, *, physical: bool) -> np.ndarray:
    """The signals that a multiplex group has, at their own rate, frames not averaged."""
    read = wfdb.rdrecord(str(record), physical=physical, ignore_skew=True)
    if max(read.samps_per_frame) > 1:  # wfdb fails on binformats when it expands always
        read = wfdb.rdrecord(str(record), physical=physical, ignore_skew=True, smooth_frames=False)
        each = read.e_p_signal if physical else read.e_d_signal
    else:
        each = (read.p_signal if physical else read.d_signal).T
    labels = [d.ChannelLabel.casefold() for d in group.ChannelDefinitionSequence]
    names = [name.casefold() for name in read.sig_name]
    places = [names.index(label) for label in labels] if len(labels) < len(names) else range(len(names))
    return np.column_stack([each[n] for n in places])


def assert_same_as_wfdb(record: Path, dicom: Path) -> None:
    """Raw samples are wfdb's digital ones, pydicom's waveform_array is wfdb's physical ones where they are numbers.

    Of a record whose signals were left out in part the others are compared.
    """
    ds = pydicom.dcmread(dicom)
    group = ds.WaveformSequence[0]
    bits = group.WaveformBitsAllocated
    raw = np.frombuffer(group.WaveformData, f"<i{bits // 8}").reshape(-1, group.NumberOfWaveformChannels)
    digital, physical = (read_by_wfdb(record, group, physical=p) for p in (False, True))
    assert np.array_equal(raw, digital)
    invalid = np.isnan(physical)
    assert np.abs(ds.waveform_array(0) - physical)[~invalid].max() < 1e-9 * max(1, np.nanmax(np.abs(physical)) / 1000)
    if invalid.any():
        assert len(group.WaveformPaddingValue) == bits // 8
        marker = int.from_bytes(group.WaveformPaddingValue, "little", signed=True)
        assert np.array_equal(raw == marker, invalid)
    else:
        assert "WaveformPaddingValue" not in group


@pytest.mark.real
def test_every_real_record_becomes_its_class_or_says_why_not(shared_data: Path, dciodvfy: Path, tmp_path: Path) -> None:
    headers = sorted(shared_data.rglob("*.hea"))
    assert len(headers) > 80
    who = {"mimic_iv_ecg_headers": Acquisition(ecg_time="2100-01-01 00:00")}
    for header in headers:
        record = header.with_suffix("")
        name = str(record.relative_to(shared_data))
        for options, table in ((Options(), {}), (LOCAL, EXPECTED_LOCAL)):
            expected = expectation(name, table) or expectation(name, EXPECTED)
            assert expected, f"{name} is in none of the tables"
            if options is LOCAL and name not in EXPECTED_LOCAL:
                continue
            dicom = tmp_path / f"{record.name}.{options.unknown_leads}.dcm"
            if not isinstance(expected, str):
                with pytest.raises(expected[0], match=expected[1]):
                    convert_record(record, dicom, who.get(record.parent.name, WHO), options)
                continue
            facts = convert(record, dicom, options).facts
            assert facts["sop_class_uid"] == f"1.2.840.10008.5.1.4.1.1.9.1.{expected}", name
            assert_same_as_wfdb(record, dicom)
            assert [c for c in complaints(dciodvfy, dicom) if not excused(c, expected)] == [], name
            assert check_file(dicom) == [], name  # of classes too that dciodvfy does not know


@pytest.mark.real
def test_without_its_other_signals_every_real_record_with_a_lead_converts(
    shared_data: Path, dciodvfy: Path, tmp_path: Path
) -> None:
    """What `other_signals: omit` does not concern stays as it is: conversion to the table above, and to its errors."""
    found = set()
    for header in sorted(shared_data.rglob("*.hea")):
        record = header.with_suffix("")
        name = str(record.relative_to(shared_data))
        expected = expectation(name, EXPECTED_OMIT)
        if expected is None:
            continue
        found.add(name)
        dicom = tmp_path / f"{record.name}.dcm"
        if not isinstance(expected[0], str):
            with pytest.raises(expected[0], match=expected[1]):
                convert(record, dicom, OMIT)
            continue
        facts = convert(record, dicom, OMIT).facts
        assert facts["sop_class_uid"] == f"1.2.840.10008.5.1.4.1.1.9.1.{expected[0]}", name
        assert facts["omitted_signals"] == expected[1]
        assert_same_as_wfdb(record, dicom)
        assert complaints(dciodvfy, dicom) == [], name
        assert check_file(dicom) == [], name
        assert check_source(dicom, record) == [], name
        assert convert(record, dicom, OMIT).status == "current"
    assert len(found) == 15


@pytest.mark.real
def test_a_record_without_other_signals_has_nothing_omitted(shared_data: Path, tmp_path: Path) -> None:
    for name in ("cinc2021_torch_ecg/E07500", f"{MIT}/100_3chan", f"{MIT}/test01_00s"):
        facts = convert(shared_data / name, tmp_path / "x.dcm", OMIT_LOCAL).facts
        assert "omitted_signals" not in facts
        (step,) = pydicom.dcmread(tmp_path / "x.dcm").ContributingEquipmentSequence
        assert step.ContributionDescription == "Converted from a WFDB record"


@pytest.mark.real
def test_leads_of_different_rates_stay_refused(shared_data: Path, tmp_path: Path) -> None:
    """wfdb-python's test01_00s_frame, made from a record of one rate: all of its signals are ECGs."""
    for name in ("test01_00s_frame", "test01_00s_skewframe"):
        with pytest.raises(SignalError, match=r"different rates .ECG_1 500 Hz, ECG_2 1000 Hz, ECG_3 500 Hz"):
            convert(shared_data / MIT / name, tmp_path / "x.dcm", OMIT_LOCAL)


def excused(complaint: str, sop_class: str) -> bool:
    """All that dciodvfy says of a correct object: it does not know General 32-bit ECG."""
    return sop_class == "4" and complaint == "Error - Information Object Not found"


# --- Signals that are not an ECG, left out on request -----------------------------------------------------------------


def monitor(folder: Path, *signals: str, fmt: str = "16", change: int = 0) -> Path:
    """A record of 200 frames whose signals are of these descriptions and gains, such as ``II 200/mV``.

    `change` is added to the last signal's checksum. A gain ``4x 200/mV`` has four samples a frame.
    """
    rates, lines, frames = [], [], []
    for n, signal in enumerate(signals):
        name, gain = signal.rsplit(" ", 1)
        name, several, _ = name.rpartition(" x4") if name.endswith(" x4") else (name, "", "")
        rate = 4 if several else 1
        samples = (np.arange(200 * rate) * (n + 3) % 97 - 40).astype("<i2").reshape(200, rate)
        total = int(samples.sum()) + (change if signal == signals[-1] else 0)
        lines.append(f"d0.dat {fmt}{'x4' if several else ''} {gain} 16 0 {samples[0, 0]} {total & 0xFFFF} 0 {name}")
        rates.append(rate)
        frames.append(samples)
    content = np.column_stack(frames).tobytes()
    return write(folder, "\n".join([f"r {len(signals)} 250 200", *lines]) + "\n", d0=content)


@pytest.mark.parametrize(
    "signal", ["PLETH 1250/NU", "Resp (sum) 200/mV", "Aux 20/mmHg", "EEG_C4 0/mV", "Température 1/°C"]
)
def test_a_signal_that_is_no_ecg_is_left_out_on_request_only(tmp_path: Path, signal: str) -> None:
    record, dicom = monitor(tmp_path, "II 200/mV", signal, "V5 100/mV"), tmp_path / "x.dcm"
    with pytest.raises(StudyError):
        convert(record, dicom)
    outcome = convert(record, dicom, OMIT)
    name = signal.rsplit(" ", 1)[0]
    facts = outcome.facts
    assert (facts["omitted_signals"], facts["n_channels"]) == ([name], 2)
    assert_same_as_wfdb(record, dicom)
    ds = pydicom.dcmread(dicom)
    said = ds.ContributingEquipmentSequence[1]
    assert said.ContributionDescription == f"Signals that are not an ECG were left out: {name}"
    assert said.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    assert ds.WaveformSequence[0].WaveformOriginality == "ORIGINAL"
    assert check_file(dicom) == [] and check_source(dicom, record) == []
    assert convert(record, dicom, OMIT).status == "current"


@pytest.mark.parametrize("signal", ["II 20/mmHg", "ECG 200/mV", "ECG 1 200/NU", "Lead 2/MV", "V5 0/mV", "I 200/mV"])
def test_what_may_be_an_ecg_is_never_left_out(tmp_path: Path, signal: str) -> None:
    """A lead in mmHg, an unknown name in volts or in no unit, a megavolt, no gain, a lead that appears twice."""
    with pytest.raises(StudyError):
        convert(monitor(tmp_path, "I 200/mV", signal), tmp_path / "x.dcm", OMIT)


def test_omission_is_part_of_the_identity(tmp_path: Path) -> None:
    record = monitor(tmp_path, "I 200/mV", "II 200/mV")
    uids = [convert(record, tmp_path / "x.dcm", o).facts["sop_instance_uid"] for o in (Options(), OMIT)]
    assert uids[0] != uids[1]


@pytest.mark.parametrize("signals", [("I 200/mV", "PLETH 1/NU"), ("I x4 200/mV", "PLETH 1/NU")])
def test_damage_to_a_signal_that_is_left_out_is_damage(tmp_path: Path, signals: tuple[str, str]) -> None:
    with pytest.raises(ChecksumError, match="'PLETH' sums to"):
        convert(monitor(tmp_path, *signals, change=1), tmp_path / "x.dcm", OMIT)


def test_only_the_leads_need_to_share_a_rate(tmp_path: Path) -> None:
    record = monitor(tmp_path, "I x4 200/mV", "ABP 20/mmHg", "II x4 200/mV")
    with pytest.raises(SignalError, match=r"I 1000 Hz, ABP 250 Hz, II 1000 Hz.*set other_signals: omit"):
        convert(record, tmp_path / "x.dcm")
    facts = convert(record, tmp_path / "x.dcm", OMIT).facts
    assert (facts["sampling_frequency"], facts["n_samples"]) == (1000, 800)
    assert_same_as_wfdb(record, tmp_path / "x.dcm")
    assert check_source(tmp_path / "x.dcm", record) == []
    other = monitor(tmp_path, "I x4 200/mV", "II 200/mV")
    with pytest.raises(SignalError, match="different rates"):
        convert(other, tmp_path / "x.dcm", OMIT)


def test_two_signals_of_one_name_that_is_not_a_lead_become_two_channels(tmp_path: Path) -> None:
    samples = np.stack([np.arange(400), np.full(400, 7), np.zeros(400)], axis=1).astype("<i2")
    samples[3, 0] = -32768
    sums = samples.sum(axis=0, dtype=np.int64) % 65536
    lines = [f"d0.dat 16 200/mV 16 0 {samples[0, n]} {sums[n]} 0 {name}" for n, name in enumerate(("ECG", "ECG", "II"))]
    record = write(tmp_path, "\n".join(["r 3 250 400", *lines, ""]), d0=samples.tobytes())
    done = convert(record, tmp_path / "x.dcm", LOCAL)
    group = pydicom.dcmread(done.path).WaveformSequence[0]
    assert [item.ChannelLabel for item in group.ChannelDefinitionSequence] == ["ECG 1", "ECG 2", "II"]
    assert dict(done.facts["invalid_samples"]) == {"ECG 1": 1}
    assert list(done.facts["flat_leads"]) == ["ECG 2", "II"]
    assert check_file(done.path) == [] and check_source(done.path, record) == []
    with pytest.raises(LeadError, match="signal 'ECG' is not a lead"):
        convert(record, tmp_path / "y.dcm")


def test_a_record_without_any_lead_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeadError, match=r"holds no ECG: .*\(ABP, RESP\)"):
        convert(monitor(tmp_path, "ABP 20/mmHg", "RESP 1/NU"), tmp_path / "x.dcm", OMIT)


def test_segments_must_agree_in_what_is_left_out(tmp_path: Path) -> None:
    for n, other in enumerate(("ABP", "PLETH")):
        monitor(tmp_path, "II 200/mV", f"{other} 1/NU")
        (tmp_path / f"s{n}.dat").write_bytes((tmp_path / "d0.dat").read_bytes())
        text = (tmp_path / "r.hea").read_text().replace("d0.dat", f"s{n}.dat").replace("r 2", f"s{n} 2")
        (tmp_path / f"s{n}.hea").write_text(text)
    (tmp_path / "r.hea").write_text("r/2 2 250 400\ns0 200\ns1 200\n")
    with pytest.raises(HeaderError, match="differs from the first in signals that are not ECGs"):
        convert(tmp_path / "r", tmp_path / "x.dcm", OMIT)


def test_a_restored_record_says_what_it_lacks(tmp_path: Path) -> None:
    convert(monitor(tmp_path, "II 200/mV", "PLETH 1/NU"), tmp_path / "x.dcm", OMIT)
    restored = restore((tmp_path / "x.dcm").read_bytes())
    assert restored.header.decode().splitlines()[-1] == "# Signals that are not an ECG were left out: PLETH"
    (tmp_path / "back").mkdir()
    restored.write(tmp_path / "back")
    convert(tmp_path / "back" / "r", tmp_path / "y.dcm")
    again, first = (pydicom.dcmread(tmp_path / name).WaveformSequence[0] for name in ("y.dcm", "x.dcm"))
    assert again.WaveformData == first.WaveformData


def test_the_checker_knows_the_statement_of_what_was_left_out(tmp_path: Path) -> None:
    record = monitor(tmp_path, "II 200/mV", "PLETH 1/NU")
    convert(record, tmp_path / "x.dcm", OMIT)
    for keyword in ("Manufacturer", "ContributionDescription", "PurposeOfReferenceCodeSequence"):
        ds = pydicom.dcmread(tmp_path / "x.dcm")
        delattr(ds.ContributingEquipmentSequence[0], keyword)
        ds.save_as(tmp_path / "y.dcm")
        assert [f.keyword for f in check_file(tmp_path / "y.dcm")] == [f"ContributingEquipmentSequence[1].{keyword}"]
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    ds.ContributingEquipmentSequence[1].ContributionDescription = "Signals that are not an ECG were left out: ABP"
    ds.save_as(tmp_path / "y.dcm")
    assert [f.keyword for f in check_source(tmp_path / "y.dcm", record)] == ["ChannelLabel"]


@pytest.mark.parametrize(("stated", "right"), [(-32768, True), (0, True), (1, False)])
def test_a_signal_that_begins_with_an_invalid_sample_may_state_0(tmp_path: Path, stated: int, right: bool) -> None:
    samples = np.array([-32768, 5, 6], "<i2")
    line = f"d0.dat 16 200/mV 16 0 {stated} {int(samples.sum(dtype=np.int64)) & 0xFFFF} 0 II"
    record = write(tmp_path, f"r 1 250 3\n{line}\n", d0=samples.tobytes())
    if right:
        convert(record, tmp_path / "x.dcm")
    else:
        with pytest.raises(ChecksumError, match="starts with -32768"):
            convert(record, tmp_path / "x.dcm")


# --- Skew, rates, segments -----------------------------------------------------------------------------------------


@pytest.mark.real
def test_skew_stays_skew_and_samples_stay_where_they_are(shared_data: Path, tmp_path: Path) -> None:
    record = shared_data / MIT / "100skew"
    convert(record, tmp_path / "x.dcm")
    definitions = pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[0].ChannelDefinitionSequence
    # V5's first three samples precede sample 0 of the record, so its first one lies three samples before the group.
    assert [d.ChannelSampleSkew for d in definitions] == [0, -3]
    shifted = wfdb.rdrecord(str(record), physical=False).d_signal
    raw = read(record).samples
    assert np.array_equal(raw[3:, 1], shifted[:-3, 1])


def test_several_samples_a_frame_of_all_signals_are_a_higher_rate(tmp_path: Path) -> None:
    record = write(tmp_path, "r 2 125 50\nd0.dat 16x4 200 16 0 0 0 0 I\nd0.dat 16x4 200 16 0 0 0 0 II\n")
    frames = np.arange(400, dtype="<i2").reshape(50, 2, 4)
    sums = frames.sum(axis=(0, 2), dtype=np.int64) % 65536
    header = "r 2 125 50\n" + "".join(
        f"d0.dat 16x4:{skew} 200 16 0 {first} {total} 0 {lead}\n"
        for lead, skew, first, total in zip(("I", "II"), (0, 2), (0, 4), sums, strict=True)
    )
    record = write(tmp_path, header, d0=frames.tobytes())
    found = read(record)
    assert found.header.sampling_frequency == 500
    assert np.array_equal(found.samples, frames.transpose(0, 2, 1).reshape(200, 2))
    assert [s.skew for s in found.header.signals] == [0, 8]


def segments(folder: Path, master: str, second: str = "s1 2 250 100\n") -> Path:
    for n, line in enumerate(("s0 2 250 100\n", second)):
        samples = RAMP[100 * n : 100 * n + 100]
        sums = samples.sum(axis=0, dtype=np.int64) % 65536
        signals = [f"s{n}.dat 16 200 16 0 {samples[0, k]} {sums[k]} 0 {lead}" for k, lead in enumerate(("I", "II"))]
        (folder / f"s{n}.dat").write_bytes(samples.tobytes())
        (folder / f"s{n}.hea").write_text(line + "\n".join(signals) + "\n# <subject_id>: 1\n")
    (folder / "r.hea").write_text(master)
    return folder / "r"


def test_segments_of_fixed_layout_are_joined(tmp_path: Path) -> None:
    record = segments(tmp_path, "r/2 2 250 200 08:26:04 26/10/1994\ns0 100\ns1 100\n")
    found = read(record)
    assert np.array_equal(found.samples, RAMP)
    assert found.header.has_checksums and found.header.subject_id == "1"
    assert found.header.moment.isoformat() == "1994-10-26T08:26:04"
    convert(record, tmp_path / "x.dcm")
    assert_same_as_wfdb(record, tmp_path / "x.dcm")
    assert convert(record, tmp_path / "x.dcm").status == "current"


@pytest.mark.real
def test_a_real_record_of_fixed_segments_is_joined_as_wfdb_does(shared_data: Path) -> None:
    record = shared_data / SEG / "fixed1" / "v102s"
    expected = wfdb.rdrecord(str(record), physical=False)
    found = read(record)
    assert np.array_equal(found.samples, expected.d_signal)
    assert [s.invalid for s in found.header.signals] == [-2048] * 4


def test_all_files_of_segments_are_watched_whatever_their_names(tmp_path: Path) -> None:
    (tmp_path / "m.hea").write_text("m/2 1 250 20\na 10\nb 10\n")
    for segment in "ab":
        (tmp_path / f"{segment}.hea").write_text(f"{segment} 1 250 10\nother_{segment}.dat 16 200\n")
        (tmp_path / f"other_{segment}.dat").write_bytes(bytes(20))
    before = record_stamps(str(tmp_path / "m"))
    assert before.count(",") == 4 and "-" not in before
    (tmp_path / "other_b.dat").write_bytes(bytes(22))
    assert record_stamps(str(tmp_path / "m")) != before


def test_a_changed_segment_header_makes_a_new_instance(tmp_path: Path) -> None:
    record = segments(tmp_path, "r/2 2 250 200\ns0 100\ns1 100\n")
    uids = []
    for _ in range(2):
        convert(record, tmp_path / "x.dcm")
        uids.append(pydicom.dcmread(tmp_path / "x.dcm").SOPInstanceUID)
        with (tmp_path / "s1.hea").open("a") as file:
            file.write("# a remark\n")
    assert uids[0] != uids[1]


@pytest.mark.parametrize(
    ("master", "second", "words"),
    [
        ("r/3 2 250 300\ns0 100\n~ 100\ns1 100\n", "", "gap"),
        ("r/2 2 250 200\ns0 100\ns0 100\n", "", "twice"),
        ("r/2 2 250 300\ns0 100\ns1 100\n", "", "300 samples and segments of 200"),
        ("r/2 2 250 201\ns0 100\ns1 101\n", "", "has 100 samples where .* needs 101"),
        ("r/3 2 250 200\ns0 0\ns0 100\ns1 100\n", "", "variable layout"),
        ("r/2 2 250 200\ns0 100\ns1 100\n", "s1 2 500 100\n", "differs from the first in sampling frequency"),
        ("r/2 2 250 8589934592\ns0 100\ns1 8589934492\n", "", "at most 4294967296 bytes"),
        ("r/2 2 250 200\ns0 100\nr 100\n", "", "has segments itself"),
    ],
)
def test_other_segments_are_refused(tmp_path: Path, master: str, second: str, words: str) -> None:
    record = segments(tmp_path, master, second or "s1 2 250 100\n")
    with pytest.raises((HeaderError, SignalError), match=words):
        read(record)


# --- Headers that leave fields out (header(5)) ---------------------------------------------------------------------


def minimal(tmp_path: Path, first: str = "r 2 250 200", lines: tuple[str, str] = ("200", "200")) -> Path:
    signals = (f"d0.dat 16 {line}".rstrip() for line in lines)
    return write(tmp_path, "\n".join([first, *signals]) + "\n", d0=RAMP.tobytes())


FULL = ("200 16 0 -200 0 0 I", "200 16 0 -199 0 0 II")


def test_no_frequency_means_250_hz_and_no_length_what_the_file_holds(tmp_path: Path) -> None:
    header = read(minimal(tmp_path, "r 2")).header
    assert (header.sampling_frequency, header.n_samples) == (250, 200)


def test_no_units_mean_millivolt_no_baseline_the_adc_zero_no_checksum_nothing(tmp_path: Path) -> None:
    header = read(minimal(tmp_path, lines=("200 16 7", "200(5)/uV 16 7"))).header
    assert [(s.units, s.baseline, s.checksum, s.initial_value) for s in header.signals] == [
        ("mV", 7, None, None),
        ("uV", 5, None, None),
    ]
    assert not header.has_checksums


@pytest.mark.parametrize("line", ["", "0 16 0 -200 8 0 I", "0(3)/mV 16 0", "(3)/mV"])
def test_no_gain_means_no_millivolts_and_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(HeaderError, match="no gain, or 0"):
        read(minimal(tmp_path, lines=("200", line)))


@pytest.mark.parametrize("gain", ["200", "200.", "+200", "2e2", "2E2", "2E+2", ".2e+3", "2000e-1"])
def test_a_gain_is_what_is_written_however_wfdb_understands_it(tmp_path: Path, gain: str) -> None:
    """wfdb takes 2E+2 for 2, and then leaves out baseline, initial value, checksum and name."""
    total = int(RAMP.sum(dtype=np.int64)) % 65536
    lines = f"r 1 250 400\nd0.dat 16:0 {gain}(7)/mV 16 0 -200 {{}} 0 I\n"
    (signal,) = read(write(tmp_path, lines.format(total), d0=RAMP.tobytes())).header.signals
    assert (signal.gain, signal.baseline, signal.description) == (200, 7, "I")
    with pytest.raises(ChecksumError, match="'I' sums to"):
        read(write(tmp_path, lines.format(total + 1), d0=RAMP.tobytes()))


@pytest.mark.parametrize("line", ["r 2 25e1 200", "r 2 2.5E2", "r 2 25e1/250(0) 200 08:44:00 04/03/2151"])
def test_a_frequency_is_what_is_written_however_wfdb_understands_it(tmp_path: Path, line: str) -> None:
    assert wfdb.rdheader(str(minimal(tmp_path, line))).fs != 250
    assert read(minimal(tmp_path, line)).header.sampling_frequency == 250


def test_a_length_that_wfdb_overlooks_is_known(tmp_path: Path) -> None:
    record = minimal(tmp_path, "r 2 250/x 200")
    assert wfdb.rdheader(str(record)).sig_len is None
    assert read(record).header.n_samples == 200


def test_the_signal_file_that_is_named_is_read_where_wfdb_takes_another(tmp_path: Path) -> None:
    """wfdb drops the é, and reads d0.dat."""
    found = read(write(tmp_path, "r 1 250\ndé0.dat 16 200\n", d0=RAMP.tobytes(), dé0=RAMP[::-1].tobytes()))
    assert np.array_equal(found.samples[:, 0], RAMP[::-1].ravel())


@pytest.mark.parametrize("first", ["## <subject_id>: 7", "# Ä"])
@pytest.mark.parametrize("subject", ["Ä1", "A B", "10"])
def test_comments_and_patient_are_those_of_the_plain_reader(tmp_path: Path, first: str, subject: str) -> None:
    text = f"r 1 250 400\nd0.dat 16{{}} 200/mV 16 0 -200 65336 0 I\n{first}\n# <subject_id>: {subject} \n"
    header = read(write(tmp_path, text.format(":0"), d0=RAMP.tobytes())).header
    plain = parse(text.format("").encode())
    assert plain and header.comments == plain.comments
    assert header.subject_id == plain.subject_id == subject


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("08:44:00 04/03/2151", datetime(2151, 3, 4, 8, 44)),
        ("08:44 04/03/2151", None),  # for wfdb 0:08:44
        ("08:44:00", None),
        ("12-May-2020 12:33:59", datetime(2020, 5, 12, 12, 33, 59)),
    ],
)
def test_a_moment_is_what_the_plain_reader_takes_for_one(tmp_path: Path, written: str, moment: datetime | None) -> None:
    assert read(minimal(tmp_path, f"r 2 250 200 {written}")).header.moment == moment


def test_no_lead_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LeadError, match="signal ''"):
        convert(minimal(tmp_path), tmp_path / "x.dcm")


def test_without_checksums_the_samples_themselves_are_in_the_uid(tmp_path: Path) -> None:
    """A field cannot be left out from the middle of a signal line, so a header without checksums has no lead names."""
    header = "r 2 250\nd0.dat 16 200\nd0.dat 16 200\n"
    found = [read(write(tmp_path, header, d0=content.tobytes())) for content in (RAMP, RAMP[::-1])]
    assert not any(record.header.has_checksums for record in found)
    uids = set()
    for record in found:
        named = [s._replace(description=name) for s, name in zip(record.header.signals, ("I", "II"), strict=True)]
        header_with_names = replace(record.header, signals=tuple(named))
        digest = blake2b(record.samples.tobytes()).digest()
        uids.add(describe_object(header_with_names, WHO, Options(), digest).instance.sop_instance_uid)
    assert len(uids) == 2


def test_micro_volts_are_not_taken_for_volts(tmp_path: Path) -> None:
    """wfdb drops what is not ASCII from a header, which makes µV V."""
    record = write(tmp_path, "r 1 250\nd0.dat 16 1(0)/µV 16 0 -200 65336 0 I\n", d0=RAMP.tobytes())
    assert wfdb.rdheader(str(record)).units == ["V"]
    assert read(record).header.signals[0].units == "µV"


def test_an_unsigned_or_signed_checksum_is_verified_on_raw_samples(tmp_path: Path) -> None:
    total = int(RAMP.sum(dtype=np.int64)) % 65536
    for checksum in (total, total - 65536):
        read(write(tmp_path, f"r 1 250 400\nd0.dat 16:3 200 16 0 -200 {checksum} 0 I\n", d0=RAMP.tobytes()))
    with pytest.raises(ChecksumError, match="'I' sums to"):
        read(write(tmp_path, f"r 1 250 400\nd0.dat 16:3 200 16 0 -200 {total + 1} 0 I\n", d0=RAMP.tobytes()))


# --- Lengths, formats, files ---------------------------------------------------------------------------------------


def pack(fmt: str, values: list[int]) -> bytes:
    """Formats 310 and 311 of signal(5), which wfdb only reads: three samples of 10 bits in 4 bytes."""
    words = []
    for a, b, c in np.array(values).reshape(-1, 3) & 0x3FF:
        low, high = a << 1 | (c & 0x1F) << 11, b << 1 | (c >> 5) << 11
        words.append(low | high << 16 if fmt == "310" else a | b << 10 | c << 20)
    return np.array(words, "<u4").tobytes()


def wfdb_record(folder: Path, formats: list[str], samples: np.ndarray) -> Path:
    """A record written by wfdb, a file for each format."""
    names = [f"V{n + 1}" for n in range(len(formats))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wfdb.wrsamp(
            "w", fs=250, units=["mV"] * len(formats), sig_name=names, d_signal=samples, fmt=formats,
            adc_gain=[200.0] * len(formats), baseline=[0] * len(formats), write_dir=str(folder),
        )  # fmt: skip
    return folder / "w"


@pytest.mark.parametrize("length", [299, 300, 301])
@pytest.mark.parametrize("fmt", ["16", "24", "32", "80", "212", "508", "516", "524"])
def test_each_format_gives_the_samples_that_wfdb_wrote(tmp_path: Path, fmt: str, length: int) -> None:
    samples = np.random.default_rng(3).integers(-100, 100, (length, 1))
    record = wfdb_record(tmp_path, [fmt], samples)
    found = read(record)
    assert found.samples.dtype == np.int16
    assert np.array_equal(found.samples, samples)
    convert(record, tmp_path / "x.dcm")
    assert_same_as_wfdb(record, tmp_path / "x.dcm")


@pytest.mark.parametrize("fmt", ["16", "24", "32", "61", "80", "160", "212", "310", "311"])
@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b[: len(b) // 2], lambda b: b + b"\0" * 4, lambda b: b""]
)
def test_a_file_of_another_length_is_refused(tmp_path: Path, fmt: str, change) -> None:
    whole = {"8": 1, "80": 1, "16": 2, "61": 2, "160": 2, "24": 3, "32": 4}.get(fmt)
    size = 300 * whole if whole else 450 if fmt == "212" else 400
    record = write(tmp_path, f"r 1 250 300\nd0.dat {fmt} 200\n", d0=change(b"\0" * size))
    with pytest.raises(SignalError, match=r"d0.dat has \d+ bytes"):
        read(record)


@pytest.mark.parametrize("length", [10**9, 10**15])
@pytest.mark.parametrize("fmt", ["16", "212", "516"])
def test_a_lying_header_takes_no_memory(tmp_path: Path, fmt: str, length: int) -> None:
    wfdb_record(tmp_path, ["516"], np.zeros((300, 1), dtype=int))
    record = write(tmp_path, f"r 1 250 {length}\nw.dat {fmt} 200\n")
    shutil.copy(next(tmp_path.glob("w*.dat")), tmp_path / "d0.dat")
    record = write(tmp_path, f"r 1 250 {length}\nd0.dat {fmt} 200\n")
    with pytest.raises(SignalError, match="fetch it again"):
        read(record)


def test_a_byte_offset_and_several_files_are_read(tmp_path: Path) -> None:
    header = "r 3 250 200\nd0.dat 16+24 200\nd0.dat 16+24 200\nd1.dat 80 200\n"
    record = write(tmp_path, header, d0=b"x" * 24 + RAMP.tobytes(), d1=bytes(range(200)))
    found = read(record)
    assert np.array_equal(found.samples[:, :2], RAMP)
    assert np.array_equal(found.samples[:, 2], np.arange(200) - 128)


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("d0.dat 999 200", HeaderError, "format 999"),
        ("../d0.dat 16 200", (PathError, HeaderError), "r.hea"),
        ("nothing.dat 16 200", FileNotFoundError, "nothing.dat"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, line: str, error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        read(write(tmp_path, f"r 1 250 400\n{line}\n", d0=RAMP.tobytes()))


def test_compressed_signals_need_a_length(tmp_path: Path) -> None:
    record = wfdb_record(tmp_path, ["516"], np.zeros((300, 1), dtype=int))
    text = record.with_suffix(".hea").read_text().replace("w 1 250 300", "w 1 250")
    record.with_suffix(".hea").write_text(text)
    with pytest.raises(HeaderError, match="states no number of samples"):
        read(record)


# --- Values: width, invalid samples, units --------------------------------------------------------------------------


def wide(folder: Path, *values: int, fmt: str = "32") -> Path:
    """A record of one signal in format 24 or 32."""
    content = np.array(values, dtype="<i4").view("<u1").reshape(-1, 4)[:, : int(fmt) // 8].tobytes()
    signal = f"d0.dat {fmt} 200 {fmt} 0 {values[0]} {sum(values) & 0xFFFF} 0 II"
    return write(folder, f"r 1 250 {len(values)}\n{signal}\n", d0=content)


@pytest.mark.parametrize(
    ("values", "bits"),
    [((32767, -32768 + 1), 16), ((32768, 0), 32), ((-32768, 0), 32), ((-32769, 0), 32), ((2**31 - 1, 1), 32)],
)
def test_samples_are_as_wide_as_their_values_need(tmp_path: Path, values: tuple[int, ...], bits: int) -> None:
    convert(wide(tmp_path, *values), tmp_path / "x.dcm")
    ds = pydicom.dcmread(tmp_path / "x.dcm")
    group = ds.WaveformSequence[0]
    interpretation = {16: "SS", 32: "SL"}[bits]
    assert (group.WaveformBitsAllocated, group.WaveformSampleInterpretation) == (bits, interpretation)
    assert group.ChannelDefinitionSequence[0].WaveformBitsStored == bits
    assert np.frombuffer(group.WaveformData, f"<i{bits // 8}").tolist() == list(values)
    assert ds.SOPClassUID[-1] == ("2" if bits == 16 else "4")
    equipment = [ds.get(k) for k in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions")]
    assert all(equipment) == (bits == 32)


def test_a_wide_object_has_a_wide_padding_value(tmp_path: Path) -> None:
    convert(wide(tmp_path, 5, -(2**31), 7), tmp_path / "x.dcm")
    group = pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[0]
    assert group.WaveformPaddingValue == b"\0\0\0\x80"
    convert(wide(tmp_path, 5, -(2**23), 7, fmt="24"), tmp_path / "x.dcm")
    group = pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[0]
    assert group.WaveformPaddingValue == (-(2**23)).to_bytes(4, "little", signed=True)


def test_a_narrow_record_can_be_forced_into_the_wide_class(make_record, acquisition, tmp_path: Path) -> None:
    option = Options(sop_class="general-32bit")
    record = make_record()
    convert_record(record, tmp_path / "x.dcm", acquisition, option)
    assert_same_as_wfdb(record, tmp_path / "x.dcm")
    assert pydicom.dcmread(tmp_path / "x.dcm").SOPClassUID[-1] == "4"
    assert convert_record(record, tmp_path / "x.dcm", acquisition, option).status == "current"


@pytest.mark.parametrize(
    ("fmt", "marker"), [("80", -128), ("212", -2048), ("310", -512), ("311", -512), ("16", -32768), ("516", -32768)]
)
def test_the_marker_of_each_format_becomes_the_padding_value(tmp_path: Path, fmt: str, marker: int) -> None:
    samples = np.random.default_rng(4).integers(-100, 100, (300, 1))
    samples[17:30] = marker
    if fmt in ("310", "311"):
        record = write(tmp_path, f"r 1 250 300\nd0.dat {fmt} 200 10 0 {samples[0, 0]} {samples.sum() & 0xFFFF} 0 V1\n")
        (tmp_path / "d0.dat").write_bytes(pack(fmt, samples[:, 0].tolist()))
    else:
        record = wfdb_record(tmp_path, [fmt], samples)
    facts = convert(record, tmp_path / "x.dcm").facts
    assert facts["invalid_samples"] == {"V1": 13}
    assert_same_as_wfdb(record, tmp_path / "x.dcm")


def test_format_8_has_no_invalid_samples(tmp_path: Path) -> None:
    steps = bytes([0] + [1] * 99)
    record = write(tmp_path, "r 1 250 100\nd0.dat 8 200 12 0 -128 0 0 II\n", d0=steps)
    text = record.with_suffix(".hea").read_text().replace("-128 0 0", f"-128 {sum(range(-128, -28)) & 0xFFFF} 0")
    record.with_suffix(".hea").write_text(text)
    convert(record, tmp_path / "x.dcm")
    assert "WaveformPaddingValue" not in pydicom.dcmread(tmp_path / "x.dcm").WaveformSequence[0]


def mixed(folder: Path, first: list[int], second: list[int]) -> Path:
    """Lead I in format 16, lead II in format 80."""
    bytes_80 = bytes(value + 128 for value in second)
    header = f"r 2 250 {len(first)}\nd0.dat 16 200 16 0 {first[0]} {sum(first) & 0xFFFF} 0 I\n"
    header += f"d1.dat 80 200 8 0 {second[0]} {sum(second) & 0xFFFF} 0 II\n"
    return write(folder, header, d0=np.array(first, "<i2").tobytes(), d1=bytes_80)


@pytest.mark.parametrize(
    ("first", "second"),
    [([1, -32768, 3], [1, -128, 3]), ([1, -128, 3], [-128, 2, 3])],
    ids=["two markers", "one signal's marker is another's value"],
)
def test_one_padding_value_must_do_for_all_signals(tmp_path: Path, first: list[int], second: list[int]) -> None:
    with pytest.raises(SignalError, match=r"marks invalid samples by -\d+, which signal 'II?' does not"):
        convert(mixed(tmp_path, first, second), tmp_path / "x.dcm")


def test_mixed_formats_with_one_marker_convert(tmp_path: Path) -> None:
    record = mixed(tmp_path, [1, -127, 3], [1, -128, 3])
    convert(record, tmp_path / "x.dcm")
    assert_same_as_wfdb(record, tmp_path / "x.dcm")


def test_a_signal_that_is_not_in_volts_is_named(tmp_path: Path) -> None:
    record = write(tmp_path, "r 1 250 400\nd0.dat 16 200/mmHg 16 0 -200 65336 0 II\n", d0=RAMP.tobytes())
    with pytest.raises(UnitsError, match="'II' is in 'mmHg'"):
        convert(record, tmp_path / "x.dcm")
