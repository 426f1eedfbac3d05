"""The demo converted in a working directory, as a run of the workflow leaves it, without Snakemake."""

import os
from pathlib import Path

from wfdb2dicom.batches import job, plan
from wfdb2dicom.results import aggregate


def convert_demo(folder: Path, demo: Path, wfdb_dir: str = "", **options: str) -> Path:
    """Fill results/ and dicom/ of a folder.

    Parameters
    ----------
    folder : Path
        The working directory.
    demo : Path
        The demo's WFDB tree.
    wfdb_dir : str
        Another place of its records, such as a ZIP.
    options : str
        Further ones of the plan.
    """
    before = Path.cwd()
    os.chdir(folder)
    try:
        request = plan.PlanConfig(
            input_csv=demo / "record_list.csv",
            wfdb_dir=wfdb_dir or str(demo),
            dcm_dir="dicom",
            metadata=demo / "machine_measurements.csv",
            **options,
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
                digests=Path("results/.results.json"),
                configuration={"dcm_dir": "dicom", "lead_order": "source", **options},
            )
        )
    finally:
        os.chdir(before)
    return folder
