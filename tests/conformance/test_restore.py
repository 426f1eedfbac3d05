"""The way back: WFDB files from DICOM objects, byte for byte where the source was in MIMIC-IV-ECG's form."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import wfdb
from pydicom import dcmread

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition, from_row
from wfdb2dicom.batches.tables import PlanRow, ReceiptRow, write_plan, write_receipt
from wfdb2dicom.checks.published_digests import find_sums, read_sums
from wfdb2dicom.checks.roundtrip import roundtrip
from wfdb2dicom.checks.sample import ALL
from wfdb2dicom.conformance.checker import check_file
from wfdb2dicom.conformance.source import check_source
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.part10 import parse
from wfdb2dicom.dicom.restore import RestoreError, restore
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.page.draw import draw
from wfdb2dicom.page.ecg import read

WHO = Acquisition(subject_id="7", ecg_time="2100-01-02 03:04:05")


def test_the_demo_comes_back_byte_for_byte(records: dict[str, Path], dicoms: dict[str, Path]) -> None:
    for study_id, record in records.items():
        restored = restore(dicoms[study_id].read_bytes())
        assert restored.name == study_id
        assert restored.header == record.with_suffix(".hea").read_bytes()
        assert restored.signal == record.with_suffix(".dat").read_bytes()


def test_standard_order_comes_back_after_reordering(records: dict[str, Path], tmp_path: Path) -> None:
    for study_id, record in records.items():
        convert_record(record, tmp_path / "x.dcm", from_row({}), Options(lead_order="standard"))
        content = (tmp_path / "x.dcm").read_bytes()
        stored, restored = restore(content, study_id), restore(content, study_id, order="mimic")
        assert stored.signal != restored.signal
        assert restored.header == record.with_suffix(".hea").read_bytes()
        assert restored.signal == record.with_suffix(".dat").read_bytes()


def test_a_date_that_was_not_taken_from_the_header_is_no_difference(tmp_path: Path) -> None:
    samples = np.array([[1], [2], [3]], "<i2")
    (tmp_path / "r.hea").write_text("r 1 250 3 12-May-2020 12:33:59\nr.dat 16 200/mV 16 0 1 6 0 II\n#Age: 74\n")
    (tmp_path / "r.dat").write_bytes(samples.tobytes())
    sums = (f"{sha256((tmp_path / name).read_bytes()).hexdigest()} {name}\n" for name in ("r.hea", "r.dat"))
    (tmp_path / "SHA256SUMS.txt").write_text("".join(sums))
    chosen = Options(time_from="ecg_time", undated="1900-01-01", unknown_subject="study")
    done = convert_record(tmp_path / "r", tmp_path / "r.dcm", None, chosen)
    options = {"wfdb_dir": str(tmp_path), "dcm_dir": str(tmp_path)}
    facts = json.dumps(dict(done.facts))
    row = ReceiptRow("r", "converted", "", "", "r.dcm", str(done.size), str(done.mtime_ns), done.sha256, facts)
    write_receipt(tmp_path / "receipt.tsv", [row])
    for time_from, bad in (("ecg_time", 0), ("header", 1)):
        plan = [PlanRow("r", "", "r", "r.dcm", "1:1,6:1", "{}", "")]
        write_plan(tmp_path / "plan.tsv", options | {"time_from": time_from}, plan)
        assert roundtrip(tmp_path / "plan.tsv", tmp_path / "receipt.tsv", ALL, tmp_path / "proof.tsv") == bad


def test_what_holds_a_part_of_a_record_is_not_compared_with_the_digests_of_all_of_it(tmp_path: Path) -> None:
    samples = np.array([[1, 7], [2, 8], [3, 9]], "<i2")
    lines = [f"r.dat 16 {gain} 16 0 {s[0]} {s.sum()} 0 {name}" for gain, name, s in zip(
        ("200.0(0)/mV", "1.0(0)/NU"), ("II", "PLETH"), samples.T, strict=True
    )]  # fmt: skip
    (tmp_path / "r.hea").write_text("r 2 250 3\n" + "\n".join(lines) + "\n")
    (tmp_path / "r.dat").write_bytes(samples.tobytes())
    sums = (f"{sha256((tmp_path / name).read_bytes()).hexdigest()} {name}\n" for name in ("r.hea", "r.dat"))
    (tmp_path / "SHA256SUMS.txt").write_text("".join(sums))
    done = convert_record(tmp_path / "r", tmp_path / "r.dcm", WHO, Options(other_signals="omit"))
    options = {"wfdb_dir": str(tmp_path), "dcm_dir": str(tmp_path)}
    write_plan(tmp_path / "plan.tsv", options, [PlanRow("r", "7", "r", "r.dcm", "1:1,12:1", "{}", "")])
    row = ReceiptRow(
        "r", "converted", "", "", "r.dcm", str(done.size), str(done.mtime_ns), done.sha256, json.dumps(dict(done.facts))
    )
    write_receipt(tmp_path / "receipt.tsv", [row])
    assert roundtrip(tmp_path / "plan.tsv", tmp_path / "receipt.tsv", ALL, tmp_path / "proof.tsv") == 0
    assert "signals were left out (PLETH), and the digests are those of all" in (tmp_path / "proof.tsv").read_text()


def signal_of(header: str) -> bytes:
    """Samples with the initial values and checksums that a header gives: the last sample makes up the sum."""
    lines = [line.split() for line in header.splitlines()[1:] if not line.startswith("#")]
    samples = np.zeros((5000, len(lines)), "<i2")
    samples[0] = [int(line[5]) for line in lines]
    rest = [(int(line[6]) - int(line[5])) % 65536 for line in lines]
    samples[-1] = np.array(rest, "<u2").view("<i2")
    return samples.tobytes()


@pytest.mark.real
def test_real_headers_of_mimic_iv_ecg_come_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    headers = sorted((shared_data / "mimic_iv_ecg_headers").glob("*.hea"))
    assert headers
    for source in headers:
        text = source.read_bytes()
        (tmp_path / source.name).write_bytes(text)
        (tmp_path / source.name).with_suffix(".dat").write_bytes(signal_of(text.decode()))
        convert_record(tmp_path / source.stem, tmp_path / "x.dcm", Acquisition(study_id=source.stem))
        assert restore((tmp_path / "x.dcm").read_bytes()).header == text


def test_gain_baseline_and_time_come_back(offset_record: Path, offset_dicom: Path) -> None:
    restored = restore(offset_dicom.read_bytes(), "offset")
    assert restored.header == offset_record.with_suffix(".hea").read_bytes()
    assert restored.signal == offset_record.with_suffix(".dat").read_bytes()


def test_leads_that_the_standard_does_not_list_keep_their_names(
    complaints: Callable[[Path], list[str]], tmp_path: Path
) -> None:
    """Through both validators, the record itself, `read`, a page, and the way back."""
    samples = np.array([[1, 4, 7, 2], [2, 5, 8, 4], [3, 6, 9, 8]], "<i2")
    names = ("ECG", "II", "ECG", "V1-V2")
    header = "u 4 250 3 03:04:05 02/01/2100\n"
    for name, signal in zip(names, samples.T, strict=True):
        header += f"u.dat 16 200.0(0)/mV 16 0 {signal[0]} {signal.sum()} 0 {name}\n"
    (tmp_path / "u.hea").write_text(header)
    (tmp_path / "u.dat").write_bytes(samples.tobytes())
    dicom = tmp_path / "u.dcm"
    convert_record(tmp_path / "u", dicom, WHO, Options(unknown_leads="local"))
    assert complaints(dicom) == []
    assert check_file(dicom) == []
    assert check_source(dicom, tmp_path / "u") == []
    labels = ("ECG 1", "II", "ECG 2", "V1-V2")
    assert read(dicom).leads == labels
    draw(dicom, page := BytesIO(), "svg")
    assert all(f">{label}" in page.getvalue().decode() for label in labels)
    restored = restore(dicom.read_bytes(), "u")
    assert restored.signal == samples.tobytes()
    lines = restored.header.decode().splitlines()[1:5]
    assert [line.split(maxsplit=8)[8] for line in lines] == list(labels)


@pytest.mark.parametrize("gain", [200.0, 6553.6, 1000.0, 698.123, 1.0, 333.33, 204.8, 0.5, 12345.678])
def test_gains_come_back_although_sensitivities_are_rounded(gain: float, tmp_path: Path) -> None:
    (tmp_path / "g.hea").write_text(f"g 1 500 3\ng.dat 16 {gain!r}(0)/mV 16 0 1 6 0 I\n", encoding="ascii")
    (tmp_path / "g.dat").write_bytes(np.array([1, 2, 3], "<i2").tobytes())
    convert_record(tmp_path / "g", tmp_path / "g.dcm", WHO)
    line = restore((tmp_path / "g.dcm").read_bytes(), "g").header.decode().splitlines()[1]
    assert line == f"g.dat 16 {gain!r}(0)/mV 16 0 1 6 0 I"


@pytest.mark.parametrize("signal_format", [24, 32])
def test_samples_beyond_16_bits_come_back(signal_format: int, tmp_path: Path) -> None:
    invalid = -(2 ** (signal_format - 1))
    samples = np.array([[100_000, -7], [invalid, 8], [-100_000, 8_000_000]], "<i4")
    width = signal_format // 8
    raw = samples.view(np.uint8).reshape(-1, 4)[:, :width].tobytes()
    totals = [int(samples[:, n].astype("<i8").sum()) % 65536 for n in range(2)]
    lines = ["w 2 500 3"]
    lines += [f"w.dat {signal_format} 1e5/mV 24 0 {samples[0, n]} {totals[n]} 0 {lead}" for n, lead in enumerate("IV")]
    (tmp_path / "w.hea").write_text("\n".join(lines).replace(" V", " V1") + "\n", encoding="ascii")
    (tmp_path / "w.dat").write_bytes(raw)
    convert_record(tmp_path / "w", tmp_path / "w.dcm", WHO)
    restored = restore((tmp_path / "w.dcm").read_bytes(), "w", signal_format=signal_format)
    assert restored.signal == raw
    restored.write(tmp_path / "back")
    assert np.array_equal(
        wfdb.rdrecord(str(tmp_path / "back" / "w")).p_signal,
        wfdb.rdrecord(str(tmp_path / "w")).p_signal,
        equal_nan=True,
    )


def test_the_command_writes_both_files_and_overwrites_nothing_else(
    project: Path, records: dict[str, Path], dicoms: dict[str, Path], tmp_path: Path
) -> None:
    study_id, record = next(iter(records.items()))
    command = [sys.executable, project / "scripts/wfdb2dicom", "restore", dicoms[study_id], tmp_path]
    assert subprocess.run(command, check=False).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {f"{study_id}.hea", f"{study_id}.dat"}
    assert (tmp_path / f"{study_id}.dat").read_bytes() == record.with_suffix(".dat").read_bytes()
    other = subprocess.run([*command, "--order=standard"], capture_output=True, text=True, check=False)
    assert other.returncode == 1
    assert "exists with other content" in other.stderr
    assert (tmp_path / f"{study_id}.dat").read_bytes() == record.with_suffix(".dat").read_bytes()


def test_what_is_no_object_of_ours_is_refused(dicoms: dict[str, Path]) -> None:
    content = next(iter(dicoms.values())).read_bytes()
    for wrong in (b"", content[:-100], content.replace(b"CS\x02\0SS", b"CS\x02\0UB")):
        with pytest.raises(RestoreError):
            restore(wrong, "x")
    with pytest.raises(RestoreError, match="not a name"):
        restore(content, "../x")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: setattr(c.ChannelSensitivityUnitsSequence[0], "CodeValue", "uV"), "is in 'uV', not plainly in mV"),
        (lambda c: setattr(c, "ChannelSensitivityCorrectionFactor", "0.005"), "not plainly in mV"),
        (lambda c: setattr(c, "ChannelLabel", ""), "has no name"),
        (lambda c: setattr(c, "ChannelSampleSkew", "2"), "skew that a WFDB header cannot state"),
        (lambda c: setattr(c, "ChannelTimeSkew", "0.5"), "skew that a WFDB header cannot state"),
    ],
)
def test_a_channel_that_a_header_cannot_state_is_refused(
    dicoms: dict[str, Path], tmp_path: Path, change: Any, words: str
) -> None:
    ds = dcmread(next(iter(dicoms.values())))
    change(ds.WaveformSequence[0].ChannelDefinitionSequence[0])
    ds.save_as(tmp_path / "x.dcm")
    with pytest.raises(RestoreError, match=words):
        restore((tmp_path / "x.dcm").read_bytes(), "x")


def test_a_date_that_a_header_cannot_state_is_refused(dicoms: dict[str, Path], tmp_path: Path) -> None:
    ds = dcmread(next(iter(dicoms.values())))
    ds.AcquisitionDateTime = "215103040844"
    ds.save_as(tmp_path / "x.dcm")
    with pytest.raises(RestoreError, match="'215103040844' is not a date with a time to the second"):
        restore((tmp_path / "x.dcm").read_bytes(), "x")


def test_digests_are_read_in_both_forms(tmp_path: Path) -> None:
    a, b = "a" * 64, "B" * 64
    (tmp_path / "SHA256SUMS.txt").write_text(f"{a} files/x.hea\n{b} *./files/x.dat\n{a}  other\n", encoding="ascii")
    assert read_sums(find_sums(str(tmp_path)), {"files/x.hea", "files/x.dat"}) == {
        "files/x.hea": a,
        "files/x.dat": b.lower(),
    }


def test_a_tree_without_digests_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SHA256SUMS.txt does not exist.*sha256sum"):
        find_sums(str(tmp_path))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("r.hea", "")
    with pytest.raises(ConfigError, match=r"x.zip holds no SHA256SUMS.txt.* unpack it"):
        find_sums(str(tmp_path / "x.zip"))


@pytest.mark.parametrize(
    ("listed", "reason"),
    [
        (("r.hea", "r.mat"), "its signal file is a .mat, but a .dat comes back"),
        (("r.hea",), "SHA256SUMS.txt does not list its signal file"),
        ((), "SHA256SUMS.txt does not list its header and signal file"),
    ],
)
def test_why_a_record_cannot_be_compared_is_said(tmp_path: Path, listed: tuple[str, ...], reason: str) -> None:
    (tmp_path / "SHA256SUMS.txt").write_text("".join(f"{'0' * 64} {name}\n" for name in listed))
    options = {"wfdb_dir": str(tmp_path), "dcm_dir": str(tmp_path)}
    write_plan(tmp_path / "plan.tsv", options, [PlanRow("r", "7", "r", "r.dcm", "1:1,12:1", "{}", "")])
    write_receipt(tmp_path / "receipt.tsv", [ReceiptRow("r", "converted", "", "", "r.dcm", "1", "1", "0" * 64, "{}")])
    assert roundtrip(tmp_path / "plan.tsv", tmp_path / "receipt.tsv", ALL, tmp_path / "proof.tsv") == 0
    assert reason in (tmp_path / "proof.tsv").read_text()


def test_the_parser_reads_what_pydicom_writes_with_undefined_lengths(dicoms: dict[str, Path], tmp_path: Path) -> None:
    import pydicom

    path = next(iter(dicoms.values()))
    ds = pydicom.dcmread(path)
    ds["WaveformSequence"].is_undefined_length = True
    for item in ds.WaveformSequence:
        item.is_undefined_length_sequence_item = True
        item["ChannelDefinitionSequence"].is_undefined_length = True
    ds.save_as(tmp_path / "undefined.dcm")
    undefined = (tmp_path / "undefined.dcm").read_bytes()
    assert undefined != path.read_bytes()
    assert parse(undefined).dataset == parse(path.read_bytes()).dataset
