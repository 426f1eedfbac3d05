"""One command converts each published collection: its configuration in datasets/ on a tree in the shipped form."""

import re
import shutil
import sys
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pydicom
import pytest
import yaml

from published_trees import COLLECTIONS, Object, pack
from wfdb2dicom.cli.run import configuration_of
from wfdb2dicom.cli.startup import WrongArguments
from wfdb2dicom.inputs.configuration import complete
from working_folder import ROOT, SNAKEMAKE, run_to_end

DATASETS = ROOT / "datasets"


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Path | None:
    """Real records, which take the place of synthetic ones where they are at hand."""
    try:
        return request.getfixturevalue("shared_data")
    except pytest.skip.Exception:
        return None


def described(dicom: Path, row: dict[str, object]) -> Object:
    """A converted study, as its DICOM and its row of the manifest describe it."""
    ds = pydicom.dcmread(dicom)
    group = ds.WaveformSequence[0]
    source = str(row["time_source"])
    moment = datetime.strptime(ds.AcquisitionDateTime[:14], "%Y%m%d%H%M%S")
    assert row["acquired"] == (None if source == "placeholder" else moment)
    return Object(
        subject=ds.PatientID,
        time=str(moment),
        source=source,
        sex=ds.PatientSex or "",
        age=ds.get("PatientAge", ""),
        leads=tuple(channel.ChannelLabel for channel in group.ChannelDefinitionSequence),
        rate=float(group.SamplingFrequency),
        dates=ds.LongitudinalTemporalInformationModified,
    )


IN_CI = ("mimic-iv-ecg", "ptb-xl", "cinc2021", "ludb")


@pytest.mark.workflow
@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] * (name not in IN_CI)) for name in COLLECTIONS]
)
def test_one_command_converts_the_collection_as_it_is_shipped(name: str, real: Path | None, tmp_path: Path) -> None:
    collection = COLLECTIONS[name]
    collection.write(tmp_path / "shipped", real)
    source = "shipped"
    if collection.zipped:
        source = f"{name}.zip"
        pack(tmp_path / "shipped", tmp_path / source, f"the-{name}-data-set-1.0")
        shutil.rmtree(tmp_path / "shipped")
        command = [*SNAKEMAKE, "--snakefile", str(ROOT / "Snakefile"), "--configfile", str(DATASETS / f"{name}.yaml")]
    else:
        command = [sys.executable, str(ROOT / "scripts/wfdb2dicom"), "run", "--dataset", name]
    done = run_to_end([*command, "--cores", "2", "--config", f"wfdb_dir={source}", "max_failed=0.5"], tmp_path)
    assert done.status == 0, done.output

    rows = {row["study_id"]: row for row in pq.read_table(tmp_path / "results/manifest.parquet").to_pylist()}
    errors = {study: row["error"] for study, row in rows.items() if row["error"]}
    found = {study: described(tmp_path / rows[study]["dcm_path"], rows[study]) for study in rows.keys() - errors.keys()}
    assert found == collection.converted
    assert errors.keys() == collection.refused.keys()
    for study, words in collection.refused.items():
        assert re.match(words, errors[study])


@pytest.mark.parametrize("path", sorted(DATASETS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_configuration_needs_wfdb_dir_alone_and_is_documented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    defaults = yaml.safe_load((ROOT / "config.yaml").read_text())
    schema = ROOT / "workflow/schemas/config.schema.yaml"
    complete({**yaml.safe_load(text), "wfdb_dir": "data.zip"}, defaults, schema)
    command = f"wfdb2dicom run --dataset {path.stem} --config wfdb_dir=/data/"
    assert command in text
    assert command in (ROOT / "docs/datasets.md").read_text(encoding="utf-8")
    assert path.stem in COLLECTIONS


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    words = r"--dataset: there is no configuration 'ptbxl'; there are .*, ptb-xl, ptb-xl-100hz"
    with pytest.raises(WrongArguments, match=words):
        configuration_of("ptbxl")


@pytest.mark.workflow
def test_a_configuration_of_ones_own_goes_before_the_collections(tmp_path: Path) -> None:
    """`verify` behind the file is a target, and what is wrong in the file is told of."""
    (tmp_path / "mine.yaml").write_text("age_col: 3\n")
    arguments = ("--dataset", "ptb-xl", "--configfile", "mine.yaml", "verify", "-n")
    done = run_to_end([sys.executable, str(ROOT / "scripts/wfdb2dicom"), "run", *arguments], tmp_path)
    assert done.status == 1
    assert "age_col: 3 is a number where text is needed" in done.output
    assert "wfdb_dir: missing" in done.output and "input_csv: missing" not in done.output
