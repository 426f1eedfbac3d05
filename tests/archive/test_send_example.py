"""The examples in the help of `wfdb2dicom send` run as they are written, but for the archive's port."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from help_examples import examples
from orthanc import Orthanc

from .conftest import Batch, clean_environment


def test_the_examples_of_send_run(
    make_batch: Callable[..., Batch], orthanc: Orthanc, project: Path, tmp_path: Path
) -> None:
    batch = make_batch()
    folder = tmp_path / "run"
    (folder / "results/receipts").mkdir(parents=True)
    (folder / "dicom").symlink_to(batch.dcm_dir)
    (folder / "results/receipts/001-000.tsv").write_bytes(batch.receipt.read_bytes())
    for example in examples("send"):
        arguments = [word.replace("http://localhost:8042/dicom-web", orthanc.dicomweb) for word in example]
        command = [sys.executable, str(project / "scripts/wfdb2dicom"), *arguments]
        done = subprocess.run(command, cwd=folder, env=clean_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert orthanc.instances() == batch.uids()
    assert (folder / "results/store/summary.json").exists()
