"""What a run's programs load before they do anything: each starts once a batch or once a run, so it counts."""

import re

import pytest

from .conftest import CORRUPT, Work

# (An import of pandas that is refused is told of too, one of its core is not.)
NOT_NEEDED = {
    "plan.log": {"pandas.core", "pydicom", "wfdb", "matplotlib"},
    "convert/*.log": {"pandas.core", "pydicom", "wfdb", "matplotlib", "pyarrow", "requests", "logging"},
    "aggregate.log": {"pandas.core", "pydicom", "wfdb", "matplotlib"},
    "report.log": {"pandas.core", "wfdb"},  # it draws, so it needs pydicom and matplotlib
    "gate.log": {"pandas.core", "pydicom", "wfdb", "matplotlib", "pyarrow", "numpy"},
}


@pytest.mark.workflow
def test_no_program_of_a_run_loads_what_it_does_not_need(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")  # a line on the standard error, the log, for each module
    work.run(lead_order="standard")  # everything anew
    (work.folder / f"logs/convert/{work.batch_of(CORRUPT)}.log").unlink()  # a header that is not plain is read by wfdb
    for name, not_needed in NOT_NEEDED.items():
        logs = list((work.folder / "logs").glob(name))
        assert logs, name
        for log in logs:
            loaded = set(re.findall(r"^import time: .*\| +(\S+)$", log.read_text(), re.MULTILINE))
            assert "wfdb2dicom.cli.main" in loaded, f"{log} does not tell what was loaded"
            assert not (loaded & not_needed), f"{log} has loaded {loaded & not_needed}"
