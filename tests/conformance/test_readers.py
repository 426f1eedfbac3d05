"""Independent readers open the objects: lead names, amplitudes and timing are those of the source.

Three implementations that share nothing: pydicom in its strict mode (Python), dcmjs (JavaScript, what OHIF and
dcmjs-ecg read with) and PixelMed (Java). wfdb says what they must find. test_viewer.py has a viewer, which draws too.
"""

import json
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import wfdb

READERS = Path(__file__).with_name("readers")
PIXELMED = Path("/usr/share/java/pixelmed.jar")


@pytest.fixture(scope="module")
def sources(
    records: dict[str, Path], dicoms: dict[str, Path], offset_record: Path, offset_dicom: Path
) -> list[tuple[Path, Any]]:
    """DICOM file and record as wfdb reads it, of all objects."""
    pairs = [(dicoms[study_id], record) for study_id, record in records.items()]
    return [(path, wfdb.rdrecord(str(record))) for path, record in [*pairs, (offset_dicom, offset_record)]]


def assert_amplitudes(found: np.ndarray, record: Any, tolerance: float) -> None:
    """Equal to wfdb's in mV; no reader masks invalid samples, so they are left out."""
    assert found.shape == record.p_signal.shape
    valid = ~np.isnan(record.p_signal)
    assert np.abs(found - record.p_signal)[valid].max() <= tolerance


def test_pydicom_in_strict_mode(sources: list[tuple[Path, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path, record in sources:
            ds = pydicom.dcmread(path)
            ds.walk(lambda _, element: element.value)  # reads every element of every item
            (group,) = ds.WaveformSequence
            assert [channel.ChannelLabel for channel in group.ChannelDefinitionSequence] == record.sig_name
            meanings = [channel.ChannelSourceSequence[0].CodeMeaning for channel in group.ChannelDefinitionSequence]
            assert meanings == [f"Lead {name}" for name in record.sig_name]
            assert group.SamplingFrequency == record.fs
            assert_amplitudes(ds.waveform_array(0), record, 1e-9)


def lines_of(command: list[str | Path], paths: list[Path]) -> list[Any]:
    run = subprocess.run([*command, *paths], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


def test_dcmjs(sources: list[tuple[Path, Any]]) -> None:
    node = shutil.which("node")
    if node is None or not (READERS / "node_modules" / "dcmjs").is_dir():
        pytest.skip(f"no node with dcmjs: install node, then (cd {READERS} && npm ci --ignore-scripts)")
    found = lines_of([node, READERS / "dcmjs_reader.js"], [path for path, _ in sources])
    assert len(found) == len(sources)
    for read, (path, record) in zip(found, sources, strict=True):
        assert read["names"] == [f"Lead {name}" for name in record.sig_name]
        assert set(read["units"]) == {"mV"}
        assert read["frequency"] == record.fs
        assert read["patient"] == pydicom.dcmread(path).PatientID
        assert_amplitudes(np.array(read["millivolts"]).T, record, 1e-9)


def test_pixelmed(sources: list[tuple[Path, Any]]) -> None:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None or not PIXELMED.exists():
        pytest.skip("no Java with PixelMed. Debian: apt-get install default-jdk-headless libpixelmed-java")
    command = [java, "-Djava.awt.headless=true", "-cp", PIXELMED, READERS / "PixelMedReader.java"]
    found = lines_of(command, [path for path, _ in sources])
    assert len(found) == len(sources)
    for read, (_, record) in zip(found, sources, strict=True):
        # PixelMed's own name of a channel: Code Meaning, then Channel Label.
        assert read["names"] == [f"Lead {name} {name}" for name in record.sig_name]
        assert read["milliseconds"] == pytest.approx(1000 / record.fs)
        # PixelMed has no baseline: its amplitudes are counts × sensitivity, in single precision.
        baselines = np.array(record.baseline) / np.array(record.adc_gain)
        found_mv = np.array(read["samples"]).T * np.array(read["millivolts"]) - baselines
        assert_amplitudes(found_mv, record, 1e-4)
