"""Reports to test: of a small set with every kind of failure and oddity."""

from pathlib import Path

import pytest

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition


@pytest.fixture(scope="session")
def one_dicom(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DICOM object of the demo."""
    path = tmp_path_factory.mktemp("dicom") / "94000001.dcm"
    convert_record(demo / "files/p9000/p90000001/s94000001/94000001", path, Acquisition(study_id="94000001"))
    return path
