"""The demo converted, in a working directory of its own."""

import os
from pathlib import Path

import pytest

from wfdb2dicom.batches import job, plan
from wfdb2dicom.results import aggregate


@pytest.fixture(scope="session")
def converted_demo(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory as a run on the demo leaves it: results/ and dicom/."""
    folder = tmp_path_factory.mktemp("run")
    before = Path.cwd()
    os.chdir(folder)
    try:
        request = plan.PlanConfig(
            input_csv=demo / "record_list.csv",
            wfdb_dir=str(demo),
            dcm_dir="dicom",
            metadata=demo / "machine_measurements.csv",
        )
        plans, receipts = Path("results/plan"), Path("results/receipts")
        plan.make(request, plans, receipts, "token")
        for path in plans.glob("*.tsv"):
            job.run(path, receipts / path.name)
        aggregate.write_results(
            aggregate.AggregateOptions(
                input_csv=request.input_csv,
                dcm_dir="dicom",
                plans=plans,
                receipts=receipts,
                output_csv=Path("results/studies.with_dcm.csv"),
                errors=Path("results/studies.with_dcm.errors.log"),
                manifest=Path("results/manifest.parquet"),
                summary=Path("results/summary.json"),
            )
        )
    finally:
        os.chdir(before)
    return folder
