"""The target publish: beside the objects of a whole run, and never instead of converting."""

import subprocess

from .conftest import Work

GIVEN = {"name": "A tree", "license": "MIT", "license_url": "https://opensource.org/license/mit"}


def test_publish_describes_a_whole_run_and_refuses_one_that_is_not(work: Work) -> None:
    assert "publish: missing: name (of the source), license" in work.run("publish", status=1).output
    run = work.run("publish", publish=GIVEN)
    assert "publish: 22 objects in dicom; wrote manifest.parquet, RECORDS, LICENSE.txt" in run.output
    assert not run.batches
    folder = work.folder / "dicom"
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", "SHA256SUMS.txt"], cwd=folder, check=True)
    assert "| `max_failed`" not in (folder / "README.md").read_text()

    before = work.files()
    assert "every file beside them is up to date" in work.run("publish", publish=GIVEN).output
    changed = {name for name, time in work.files().items() if before.get(name) != time}
    assert changed == {"results/.lock", "results/.run", "results/.publication.json", "logs/publish.log"} & changed
    assert not {name for name in changed if name.startswith("dicom/")}

    # Options of the run itself and its studies are as before: a plain run has nothing to do, and keeps what is beside.
    assert work.run(publish=GIVEN).nothing_done
    next((work.folder / "results/receipts").glob("*.tsv")).unlink()
    run = work.run("publish", status=1, publish=GIVEN)
    assert "is missing" in run.output and not run.batches
