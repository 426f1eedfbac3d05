"""Small inputs that once failed, of every form in which collections come: each gives what is right for it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest

from wfdb2dicom import convert_record
from working_folder import ROOT, SNAKEMAKE, run_to_end

pytestmark = [pytest.mark.workflow, pytest.mark.slow]
FOLDERS = ("checksums", "names", "bytes", "frames", "files")
ECG_TIME = "2012-01-01 05:06:07"


@dataclass
class Results:
    """The manifest of a run by study, and its DICOMs."""

    folder: Path
    output: str

    def __post_init__(self) -> None:
        table = pq.read_table(self.folder / "results/manifest.parquet")
        self.rows = {row["study_id"]: row for row in table.to_pylist()}

    def error(self, study: str) -> str:
        return self.rows[study]["error"] or ""

    def dicom(self, study: str) -> pydicom.Dataset:
        assert self.error(study) == ""
        return pydicom.dcmread(self.folder / self.rows[study]["dcm_path"])

    def log(self) -> str:
        return "".join(path.read_text() for path in (self.folder / "logs/convert").iterdir())

    def converted(self) -> set[str]:
        return {study for study in self.rows if not self.error(study)}


def convert(folder: Path, *arguments: str) -> Results:
    folder.mkdir(exist_ok=True)
    command = [*SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", *arguments, "max_failed=1.0"]
    done = run_to_end(command, folder)
    assert done.status == 0, done.output
    return Results(folder, done.output)


@pytest.fixture(scope="module")
def cases(shared_cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    subprocess.run([sys.executable, str(shared_cases / "make.py"), str(folder)], check=True)
    # Its signals are to lie in a folder beside the header's.
    (folder / "files/headers").mkdir()
    (folder / "files/elsewhere.hea").rename(folder / "files/headers/elsewhere.hea")
    return folder


@pytest.fixture(scope="module")
def collection(cases: Path, tmp_path_factory: pytest.TempPathFactory):
    """A function that converts one of the trees with a configuration of datasets/."""

    def run(name: str, dataset: str) -> Results:
        options = ("--configfile", str(ROOT / f"datasets/{dataset}.yaml"), "--config", f"wfdb_dir={cases / name}")
        return convert(tmp_path_factory.mktemp(name), *options)

    return run


def run_records(cases: Path, folder: Path, unknown_leads: str) -> Results:
    """Convert the records of all folders without an index, each a study of its name."""
    rows = ["study_id,subject_id,path,ecg_time"]
    for header in sorted(path for name in FOLDERS for path in (cases / name).rglob("*.hea")):
        rows.append(f"{header.stem},7,{header.relative_to(cases).with_suffix('')},{ECG_TIME}")
    (folder / "studies.csv").write_text("\n".join(rows) + "\n")
    options = (f"wfdb_dir={cases}", "input_csv=studies.csv", f"unknown_leads={unknown_leads}")
    return convert(folder, "--config", *options)


@pytest.fixture(scope="module")
def strict(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_records(cases, tmp_path_factory.mktemp("strict"), "error")


@pytest.fixture(scope="module")
def local(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_records(cases, tmp_path_factory.mktemp("local"), "local")


@pytest.fixture(scope="module")
def times(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    options = (f"wfdb_dir={cases / 'times'}", "input_csv=list.csv")
    return convert(tmp_path_factory.mktemp("times"), "--config", *options)


def counts(ds: pydicom.Dataset) -> np.ndarray:
    group = ds.WaveformSequence[0]
    return np.frombuffer(group.WaveformData, "<i2").reshape(-1, group.NumberOfWaveformChannels)


def labels(ds: pydicom.Dataset) -> list[str]:
    return [channel.ChannelLabel for channel in ds.WaveformSequence[0].ChannelDefinitionSequence]


class TestCollections:
    def test_ptb_xl(self, collection) -> None:
        found = collection("ptb-xl", "ptb-xl")
        assert found.converted() == {"1", "2", "3", "4"}
        objects = [found.dicom(study) for study in "1234"]
        assert [ds.PatientID for ds in objects] == ["15001", "13002", "20003", "17004"]
        assert [ds.AcquisitionDateTime for ds in objects] == [
            "19841109091734",
            "19841114125537",
            "19841115124910",
            "19841115134457",
        ]
        assert [ds.PatientSex for ds in objects] == ["F", "M", "F", "M"]
        assert [ds.get("PatientAge", "") for ds in objects] == ["056Y", "", "", "089Y"]

    def test_cinc2021(self, collection) -> None:
        found = collection("cinc2021", "cinc2021")
        studies = ["A0001", "E00001", "HR00001", "JS10647", "I0001"]
        assert found.converted() == set(studies)
        objects = [found.dicom(study) for study in studies]
        assert {ds.StudyDate for ds in objects} == {"19000101"}
        assert {ds.LongitudinalTemporalInformationModified for ds in objects} == {"REMOVED"}
        assert all(found.rows[study]["unused_times"] for study in studies)
        assert [ds.get("PatientAge", "") for ds in objects] == ["074Y", "", "", "008Y", "065Y"]
        assert [ds.PatientSex or "" for ds in objects] == ["M", "F", "", "F", "F"]

    def test_ludb(self, collection) -> None:
        found = collection("ludb", "ludb")
        assert found.converted() == {"1", "2"}
        objects = [found.dicom(study) for study in "12"]
        assert [(ds.get("PatientAge", ""), ds.PatientSex) for ds in objects] == [("051Y", "F"), ("052Y", "M")]


class TestChecksums:
    @pytest.mark.parametrize(
        "study", ["zero_all", "no_length", "no_length_zero", "length_zero", "length_zero_zero", "initial_zero"]
    )
    def test_placeholders_convert(self, strict: Results, study: str) -> None:
        assert counts(strict.dicom(study)).shape == (5000, 12)

    def test_a_placeholder_of_a_lead_that_is_unknown_converts_with_local(self, strict: Results, local: Results) -> None:
        assert strict.error("zero_single").startswith("LeadError")
        assert counts(local.dicom("zero_single")).shape == (9000, 1)

    def test_one_flipped_bit_is_refused(self, strict: Results) -> None:
        assert strict.error("one_wrong").startswith("ChecksumError")

    def test_a_record_without_checksums_is_pinned_by_its_samples(self, cases: Path, tmp_path: Path) -> None:
        """Its UID is another one when one bit of it is another one."""
        for suffix in (".hea", ".dat"):
            shutil.copy(cases / f"checksums/no_length_zero{suffix}", tmp_path)
        record = tmp_path / "no_length_zero"
        uids = set()
        for bit in (0, 1):
            content = bytearray(record.with_suffix(".dat").read_bytes())
            content[48000] ^= bit
            record.with_suffix(".dat").write_bytes(content)
            dicom = tmp_path / f"{bit}.dcm"
            uids.add(convert_record(record, dicom, subject_id=7, ecg_time=ECG_TIME).sop_instance_uid)
        assert len(uids) == 2


class TestNames:
    def test_two_signals_of_one_name_that_is_no_lead(self, strict: Results, local: Results) -> None:
        assert strict.error("both_ecg").startswith("LeadError")
        first, second = labels(local.dicom("both_ecg"))
        assert first != second

    def test_spellings_of_a_lead(self, strict: Results) -> None:
        found = [labels(strict.dicom(f"lead{number:02d}")) for number in range(11)]
        assert found == [[lead] for lead in ["I", "I", "I", "I", "II", "II", "I", "V1", "aVR", "V1", "aVR"]]

    @pytest.mark.parametrize(("study", "name"), [("lead11", "-aVR"), ("lead12", "V1-V2"), ("lead13", "CH1")])
    def test_what_is_not_a_lead(self, strict: Results, local: Results, study: str, name: str) -> None:
        assert strict.error(study).startswith(f"LeadError: signal '{name}'")
        (channel,) = local.dicom(study).WaveformSequence[0].ChannelDefinitionSequence
        assert channel.ChannelSourceSequence[0].CodeValue == "2:0"
        assert channel.ChannelLabel == name


@pytest.mark.parametrize("study", ["utf8", "latin1_unit"])
def test_microvolts_in_either_encoding(strict: Results, study: str) -> None:
    ds = strict.dicom(study)
    millivolts = counts(ds) * 1e-3  # a gain of 1 per microvolt
    assert np.allclose(ds.waveform_array(0), millivolts)
    assert strict.error("latin1_comment") == ""


def test_several_samples_per_frame_in_format_61(strict: Results) -> None:
    ds = strict.dicom("f61x2")
    assert ds.WaveformSequence[0].SamplingFrequency == 500
    assert np.array_equal(counts(ds), counts(strict.dicom("initial_zero")))


class TestFiles:
    def test_signals_in_another_folder_of_the_tree_are_read(self, strict: Results) -> None:
        assert np.array_equal(counts(strict.dicom("elsewhere")), counts(strict.dicom("initial_zero")))

    def test_signals_outside_of_the_tree_are_refused_with_a_remedy(self, strict: Results) -> None:
        error = strict.error("absolute")
        assert error.startswith("PathError") and "/data/absolute.dat" in error and "put the file there" in error
        assert "fetch" not in error

    def test_bytes_after_the_samples_are_left_out_with_a_warning(self, strict: Results) -> None:
        assert np.array_equal(counts(strict.dicom("tail")), counts(strict.dicom("initial_zero")))
        (warning,) = strict.rows["tail"]["warnings"]
        assert "24 bytes after the samples" in warning
        assert f"warning: study tail: {warning}\n" in strict.log()


class TestTimes:
    @pytest.mark.parametrize(
        ("study", "stated"),
        [
            ("time_only", "19:46:25.757"),
            ("year_only", "00:00:00 2006"),
            ("short_year", "10:00:00 21/05/199"),
            ("us_order", "10:00:00 05/21/1991"),
        ],
    )
    def test_a_header_that_states_no_time_is_told_of(self, times: Results, study: str, stated: str) -> None:
        row = times.rows[study]
        assert (str(row["acquired"]), row["time_source"]) == (ECG_TIME, "ecg_time")
        assert row["unused_times"] == [f"header: {stated}"]
        assert f"warning: study {study}: " in times.log() and stated in times.log()

    @pytest.mark.parametrize(
        ("study", "time"), [("month_name", "2020-05-12 12:33:59"), ("whole", "1991-05-21 10:00:00.500000")]
    )
    def test_a_header_that_states_one_is_believed(self, times: Results, study: str, time: str) -> None:
        row = times.rows[study]
        assert (str(row["acquired"]), row["time_source"], row["unused_times"]) == (time, "header", [])

    def test_a_time_of_the_csv_in_another_form_is_named(
        self, cases: Path, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        options = (f"wfdb_dir={cases / 'times'}", "input_csv=other_forms.csv")
        found = convert(tmp_path_factory.mktemp("other_forms"), "--config", *options)
        stated = {"time_only": "05/06/2012 10:00", "year_only": "2012-06-05", "us_order": "2012-06-05T10:00:00+02:00"}
        for study, time in stated.items():
            error = found.error(study)
            assert error.startswith("DateError") and f"'{time}'" in error and "YYYY-MM-DD HH:MM:SS" in error
