"""The programs and libraries that read ECG objects, each run as its users run it: once, over all objects."""

import json
import re
import shutil
import subprocess
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pydicom.waveforms import multiplex_array

READERS = Path(__file__).with_name("readers")
PIXELMED = Path("/usr/share/java/pixelmed.jar")


@dataclass
class Reading:
    """What a consumer found in an object; None for what it does not tell.

    Samples and amplitudes have the shape (samples, channels).
    """

    names: list[str]
    samples: npt.NDArray[np.int64] | None = None
    millivolts: npt.NDArray[np.float64] | None = None
    frequency: float | None = None
    patient: str | None = None
    pixels_per_count: float | None = None
    refused: str = ""


Consumer = Callable[[Sequence[Path], Path], list[Reading]]
"""Reads objects; may use the folder for files of its own."""


def of_dataset(dataset: pydicom.Dataset) -> Reading:
    """What pydicom reads from a data set, wherever it comes from."""
    (group,) = dataset.WaveformSequence
    return Reading(
        [channel.ChannelLabel for channel in group.ChannelDefinitionSequence],
        multiplex_array(dataset, 0, as_raw=True).astype(np.int64),
        multiplex_array(dataset, 0, as_raw=False),
        float(group.SamplingFrequency),
        str(dataset.PatientID),
    )


def with_pydicom(paths: Sequence[Path], _: Path) -> list[Reading]:
    """pydicom in its strict mode, every element of every item."""
    readings = []
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as monkeypatch:
        warnings.simplefilter("error")
        monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.RAISE)
        for path in paths:
            dataset = pydicom.dcmread(path)
            dataset.walk(lambda _, element: element.value)
            readings.append(of_dataset(dataset))
    return readings


def with_highdicom(paths: Sequence[Path], _: Path) -> list[Reading]:
    """highdicom has no class for waveforms: what it returns is a pydicom data set all the same."""
    highdicom = pytest.importorskip("highdicom")
    return [of_dataset(highdicom.imread(path)) for path in paths]


def anonymized(paths: Sequence[Path]) -> list[pydicom.Dataset]:
    """Copies made by dicognito, written and read again."""
    anonymizer = pytest.importorskip("dicognito.anonymizer").Anonymizer(seed="wfdb2dicom")
    copies = []
    for path in paths:
        dataset = pydicom.dcmread(path)
        anonymizer.anonymize(dataset)
        stream = BytesIO()
        dataset.save_as(stream)
        copies.append(pydicom.dcmread(BytesIO(stream.getvalue())))
    return copies


def with_dicognito(paths: Sequence[Path], _: Path) -> list[Reading]:
    return [of_dataset(dataset) for dataset in anonymized(paths)]


def dcmtk(name: str) -> str:
    """The path of a program of DCMTK."""
    found = shutil.which(name)
    if found is None:
        pytest.skip("no DCMTK. Debian: apt-get install dcmtk")
    return found


def run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode("utf-8", errors="replace")


@lru_cache(maxsize=4)
def chain(paths: tuple[Path, ...], folder: Path, steps: tuple[tuple[str, ...], ...]) -> list[list[Path]]:
    """Each file through programs of DCMTK in turn, a name and its options each; the files of each step."""
    commands = [(dcmtk(name), *options) for name, *options in steps]
    folder.mkdir()

    def convert(path: Path) -> list[Path]:
        made = [path]
        for n, command in enumerate(commands):
            made.append(folder / f"{n}-{path.name}")
            run([*command, made[-2], made[-1]])
        return made[1:]

    with ThreadPoolExecutor(2) as pool:
        return [list(files) for files in zip(*pool.map(convert, paths), strict=True)]


def _converted(paths: Sequence[Path], folder: Path) -> list[list[Path]]:
    """To implicit, from there to deflated, from there back to explicit."""
    return chain(tuple(paths), folder / "dcmconv", (("dcmconv", "+ti"), ("dcmconv", "+td"), ("dcmconv", "+te")))


def _in_syntax(paths: Sequence[Path], syntax: UID) -> list[Reading]:
    datasets = [pydicom.dcmread(path) for path in paths]
    assert {dataset.file_meta.TransferSyntaxUID for dataset in datasets} == {syntax}
    return [of_dataset(dataset) for dataset in datasets]


def with_dcmconv_to_implicit(paths: Sequence[Path], folder: Path) -> list[Reading]:
    return _in_syntax(_converted(paths, folder)[0], ImplicitVRLittleEndian)


def with_dcmconv_to_deflated(paths: Sequence[Path], folder: Path) -> list[Reading]:
    return _in_syntax(_converted(paths, folder)[1], DeflatedExplicitVRLittleEndian)


def data_set(path: Path) -> bytes:
    """The bytes behind the file meta information, which names the program that wrote the file."""
    content = path.read_bytes()
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


def _the_same_bytes(paths: Sequence[Path], copies: Sequence[Path]) -> list[Reading]:
    for path, copy in zip(paths, copies, strict=True):
        assert data_set(copy) == data_set(path), copy
    return _in_syntax(copies, ExplicitVRLittleEndian)


def with_dcmconv_and_back(paths: Sequence[Path], folder: Path) -> list[Reading]:
    return _the_same_bytes(paths, _converted(paths, folder)[2])


def with_dcm2xml_and_back(paths: Sequence[Path], folder: Path) -> list[Reading]:
    """As XML with all samples, and back."""
    steps = (("dcm2xml", "+M", "+Wb"), ("xml2dcm",))
    return _the_same_bytes(paths, chain(tuple(paths), folder / "xml", steps)[1])


def with_dcmdump(paths: Sequence[Path], _: Path) -> list[Reading]:
    """What dcmdump prints, in whole."""
    text = run([dcmtk("dcmdump"), "+L", "+F", *paths])
    dumps = text.split("# dcmdump (")[1:]
    assert len(dumps) == len(paths)
    return [_of_dump(dump) for dump in dumps]


def _of_dump(dump: str) -> Reading:
    def values(tag: str) -> list[str]:
        return re.findall(rf"^ *\({tag}\) [A-Z]{{2}} \[?([^\s\]]*)", dump, re.MULTILINE)

    names = values("003a,0203")
    (kind,) = values("5400,1006")
    (words,) = values("5400,1010")
    content = np.array([int(word, 16) for word in words.split("\\")], "<u2").tobytes()
    samples = np.frombuffer(content, {"SS": "<i2", "SL": "<i4"}[kind]).reshape(-1, len(names)).astype(np.int64)
    sensitivity, factor, baseline = (np.array(values(tag), float) for tag in ("003a,0210", "003a,0212", "003a,0213"))
    (frequency,), (patient,) = values("003a,001a"), values("0010,0020")
    return Reading(names, samples, samples * sensitivity * factor + baseline, float(frequency), patient)


def _of_lines(command: Sequence[str | Path], paths: Sequence[Path]) -> list[Reading]:
    """Of a program that prints a line of JSON a file, its arrays by channel."""
    found = [json.loads(line) for line in run([*command, *paths]).splitlines() if line.startswith("{")]
    assert len(found) == len(paths)
    return [_of_json(line) for line in found]


def _of_json(found: dict[str, Any]) -> Reading:
    if "refused" in found:
        return Reading([], refused=found["refused"])
    arrays = {name: np.array(found[name]).T if name in found else None for name in ("samples", "millivolts")}
    return Reading(
        found["names"],
        frequency=found["frequency"],
        patient=found.get("patient"),
        pixels_per_count=found.get("pixelsPerCount"),
        **arrays,
    )


def _with_node(script: str, package: str, least: int = 18) -> Consumer:
    """A consumer in JavaScript, and the least version of Node.js that runs it; Debian 12 has 18."""

    def read(paths: Sequence[Path], _: Path) -> list[Reading]:
        node = shutil.which("node")
        if node is None or not (READERS / "node_modules" / package).is_dir():
            pytest.skip(f"no JavaScript readers: install node, then (cd {READERS} && npm ci --ignore-scripts)")
        version = run([node, "--version"])
        if int(version[1:].partition(".")[0]) < least:
            pytest.skip(f"{package} needs Node.js {least}, this is {version.strip()}: install a newer one")
        return _of_lines([node, READERS / script], paths)

    return read


def with_pixelmed(paths: Sequence[Path], _: Path) -> list[Reading]:
    java = shutil.which("java")
    if java is None or shutil.which("javac") is None or not PIXELMED.exists():
        pytest.skip("no Java with PixelMed. Debian: apt-get install default-jdk-headless libpixelmed-java")
    options = ["-Djava.awt.headless=true", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", PIXELMED]
    return _of_lines([java, *options, READERS / "PixelMedReader.java"], paths)


CONSUMERS: dict[str, Consumer] = {
    "pydicom": with_pydicom,
    "highdicom": with_highdicom,
    "DCMTK dcmdump": with_dcmdump,
    "DCMTK dcmconv to implicit": with_dcmconv_to_implicit,
    "DCMTK dcmconv to deflated": with_dcmconv_to_deflated,
    "DCMTK dcmconv and back": with_dcmconv_and_back,
    "DCMTK dcm2xml and back": with_dcm2xml_and_back,
    "PixelMed": with_pixelmed,
    "dcmjs": _with_node("dcmjs_reader.js", "dcmjs"),
    "dicom-parser": _with_node("dicom_parser_reader.js", "dicom-parser"),
    "ecg-dicom-web-viewer": _with_node("web_viewer_reader.js", "ecg-dicom-web-viewer"),
    "Cornerstone3D": _with_node("cornerstone_reader.mjs", "@cornerstonejs/core", least=20),
    "dicognito": with_dicognito,
}
