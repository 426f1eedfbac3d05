"""The main job on real input: CinC Challenge records, and a tree of MIMIC-IV-ECG's shape and size of records."""

import csv
import re
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pydicom
import pytest
import wfdb

from .conftest import Work

pytestmark = [pytest.mark.workflow, pytest.mark.real, pytest.mark.slow]
STUDIES = 2000
VALIDATED = 10  # dciodvfy takes longer than all else: it sees every tenth object, and `validate` has tests of its own


def objections(dciodvfy: Path, dicom: str) -> list[str]:
    """What the validator says of a DICOM."""
    said = subprocess.run([dciodvfy, "-new", dicom], capture_output=True, text=True)
    return re.findall(r"^(?:Error|Warning).*", said.stdout + said.stderr, re.MULTILINE)


def differs(pair: tuple[str, str]) -> str:
    """What of a DICOM is not as its record; "" when everything is."""
    record, dicom = pair
    source = wfdb.rdrecord(record, physical=False)
    ds = pydicom.dcmread(dicom)
    group = ds.WaveformSequence[0]
    if [c.ChannelLabel for c in group.ChannelDefinitionSequence] != source.sig_name:
        return f"{dicom}: other leads than {source.sig_name}"
    counts = np.frombuffer(group.WaveformData, "<i2").reshape(source.sig_len, source.n_sig)
    if not np.array_equal(counts, source.d_signal):
        return f"{dicom}: other counts"
    millivolt = source.dac()
    valid = ~np.isnan(millivolt)
    if not np.array_equal(valid, counts != -32768) or np.abs(ds.waveform_array(0) - millivolt)[valid].max() > 1e-9:
        return f"{dicom}: other millivolts"
    return ""


def assert_all_right(work: Work, records: Path, dciodvfy: Path, count: int) -> None:
    """Every row of the result CSV has a DICOM, and every DICOM is right."""
    with open(work.folder / "results/studies.with_dcm.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == count
    assert [row for row in rows if row["dcm_error"]] == []
    pairs = [(str(records / row["path"]), str(work.folder / row["dcm_path"])) for row in rows]
    with ProcessPoolExecutor(2) as pool:
        assert [text for text in pool.map(differs, pairs, chunksize=20) if text] == []
        validated = [dicom for _, dicom in pairs[:: VALIDATED if count > 100 else 1]]
        assert [text for text in pool.map(partial(objections, dciodvfy), validated, chunksize=20) if text] == []


def test_the_cinc_records_convert_without_an_error(shared_data: Path, dciodvfy: Path, tmp_path: Path) -> None:
    records = shared_data / "cinc2021_torch_ecg"
    names = sorted(path.stem for path in records.glob("*.hea"))
    rows = [f"{name},{name},{n},2020-02-05 11:39:16" for n, name in enumerate(names, 1)]
    (tmp_path / "studies.csv").write_text("\n".join(["study_id,path,subject_id,ecg_time", *rows]) + "\n")
    work = Work(tmp_path, {"input_csv": "studies.csv", "wfdb_dir": str(records)})
    work.run()
    assert_all_right(work, records, dciodvfy, 50)


def test_two_thousand_studies_of_mimics_shape_convert_without_an_error(
    shared_tools: Path, dciodvfy: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    tool = shared_tools / "mimic_tree.py"
    subprocess.run([sys.executable, tool, tree, "--studies", str(STUDIES)], check=True, capture_output=True)
    keys = {"input_csv": "record_list.csv", "wfdb_dir": "", "metadata": "machine_measurements.csv"}
    work = Work(tmp_path, {key: str(tree / name) for key, name in keys.items()})
    run = work.run()
    assert len(run.batches) == 4
    assert_all_right(work, tree, dciodvfy, STUDIES)
    assert work.run().nothing_done
