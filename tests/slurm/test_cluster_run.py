"""A run on a Slurm cluster, and all that can happen to its jobs: everything is retried and the result is the same.

The clusters are real and small, see cluster.py. Misfortune meets a job when a hundred of its studies are converted.
"""

import csv
import io
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from .cluster import Cluster
from .conftest import STUDIES, Work, wait_until

# One file, so that all of it runs on one worker of pytest-xdist, with one pair of clusters.
pytestmark = [pytest.mark.slurm, pytest.mark.workflow, pytest.mark.slow]

CANCELLED, OVER_MEMORY, OVER_TIME, ON_DEAD_NODE = (f"004-00{n}" for n in range(4))
IN_VAIN = "Falling back to 'sacct' for status queries (MinJobAge=None"
PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "slurm"
BATCHES = [CANCELLED, OVER_MEMORY, OVER_TIME, ON_DEAD_NODE]


@dataclass
class Troubled:
    """A run each of whose batches met misfortune at its first try: what was seen, and how it ended."""

    work: Work
    states: dict[str, list[str]]
    restarts: str
    cores: set[int]
    converted_before: dict[str, int]
    output: str


def troubled_run(work: Work) -> Troubled:
    """Start a run, let misfortune happen to every batch, and wait for the end."""
    cluster = work.cluster
    assert cluster is not None
    for batch in BATCHES:
        work.fault(batch, "memory" if batch == OVER_MEMORY else "hold")
    work.start()
    try:
        wait_until(lambda: all(work.hit(batch) for batch in BATCHES))
        if cluster.accounting:  # then there is somebody else whom Snakemake can ask
            controller_away(work)
        converted_before = work.times()
        jobs = {job.batch: job for job in work.jobs()}
        cluster.run("scancel", jobs[CANCELLED].number)
        # Time limits are whole minutes, so that of this job is moved to where it is already.
        cluster.run("scontrol", "update", f"JobId={jobs[OVER_TIME].number}", "EndTime=now+1")
        wait_until(lambda: all("RUNNING" not in work.states(b)[-1:] for b in (CANCELLED, OVER_MEMORY, OVER_TIME)))
        node = cluster.run("squeue", "--noheader", f"--jobs={jobs[ON_DEAD_NODE].number}", "--format=%N")
        cluster.kill_node(node)
        release_requeued(work, jobs[ON_DEAD_NODE].number)
        output = work.finish()
    finally:
        work.end()
    return Troubled(
        work,
        {batch: work.states(batch) for batch in BATCHES},
        cluster.run("scontrol", "show", "job", jobs[ON_DEAD_NODE].number),
        {job.cores for job in work.jobs()},
        converted_before,
        output,
    )


def controller_away(work: Work) -> None:
    """End slurmctld, and start it again when Snakemake has noticed."""
    assert work.cluster is not None
    work.cluster.kill_controller()
    wait_until(lambda: IN_VAIN in work.output)
    work.cluster.start_controller()


def release_requeued(work: Work, number: str) -> None:
    """Wait until Slurm has taken a job off its dead node, and spare it the two minutes before its next start."""
    assert work.cluster is not None
    wait_until(lambda: [job.state for job in work.jobs() if job.number == number] == ["PENDING"])
    for job in work.jobs():
        if job.state == "PENDING":
            work.cluster.run("scontrol", "update", f"JobId={job.number}", "StartTime=now")


@pytest.fixture(scope="session")
def troubled(
    plain_cluster: Cluster,
    accounted_cluster: Cluster,
    config: dict[str, object],
    archive: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Troubled]]:
    """The run on both clusters at the same time, as nearly all of it is waiting; one of them reads the ZIP."""
    zipped = config | {"wfdb_dir": str(archive), "threads_per_job": 2}
    works = {
        "squeue": Work(tmp_path_factory.mktemp("squeue"), config, plain_cluster),
        "sacct": Work(tmp_path_factory.mktemp("sacct"), zipped, accounted_cluster),
    }
    # Daemons end with the thread that started them, so the threads stay.
    with ThreadPoolExecutor() as pool:
        yield dict(zip(works, pool.map(troubled_run, works.values()), strict=True))


@pytest.fixture(params=["squeue", "sacct"])
def run(request: pytest.FixtureRequest, troubled: dict[str, Troubled]) -> Troubled:
    """The run without accounting, and the one with it, whose jobs have two cores each and read the ZIP."""
    return troubled[request.param]


def test_no_study_is_lost_and_the_table_is_that_of_a_local_run(run: Troubled, local: Work) -> None:
    assert run.work.table() == local.table()
    rows = list(csv.DictReader(io.StringIO(run.work.table().decode())))
    assert len(rows) == STUDIES
    assert sum(not row["dcm_error"] for row in rows) == STUDIES - 1


def test_every_dicom_has_the_bytes_of_a_local_run_and_nothing_else_is_left(run: Troubled, local: Work) -> None:
    assert run.work.dicoms() == local.dicoms()


def test_a_cancelled_job_is_submitted_again(run: Troubled) -> None:
    assert run.states[CANCELLED] == ["COMPLETED", "CANCELLED"]


def test_a_job_over_its_memory_is_submitted_again(run: Troubled) -> None:
    assert run.states[OVER_MEMORY][0] == "COMPLETED"
    assert run.states[OVER_MEMORY][1] in {"FAILED", "OUT_OF_MEMORY", "CANCELLED"}


def test_a_job_over_its_time_is_submitted_again(run: Troubled) -> None:
    assert run.states[OVER_TIME] == ["COMPLETED", "TIMEOUT"]


def test_a_job_whose_node_died_is_started_again_by_slurm(run: Troubled) -> None:
    assert run.states[ON_DEAD_NODE] == ["COMPLETED"]
    assert "Restarts=1" in run.restarts


def test_what_was_converted_before_is_not_converted_again(run: Troubled) -> None:
    after = run.work.times()
    assert len(run.converted_before) >= 4 * 99
    assert {path: after[path] for path in run.converted_before} == run.converted_before


def test_the_run_says_which_jobs_failed(run: Troubled) -> None:
    for state in ("CANCELLED", "TIMEOUT"):
        assert f"SLURM status is: '{state}'" in run.output
    assert run.output.count("Trying to restart job") == 3


def test_jobs_have_the_cores_that_the_configuration_says(troubled: dict[str, Troubled]) -> None:
    assert troubled["squeue"].cores == {1}
    assert troubled["sacct"].cores == {2}


def test_a_controller_that_is_away_for_a_while_costs_no_job(troubled: dict[str, Troubled]) -> None:
    """Where there is accounting. Without it Snakemake would wait for ever, see docs/cluster.md."""
    assert IN_VAIN in troubled["sacct"].output


@pytest.fixture
def nodes_up(plain_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster without accounting with both nodes, whatever happened to them before."""
    for node in plain_cluster.nodes:
        plain_cluster.restart_node(node)
    yield plain_cluster


@pytest.mark.long
def test_two_copies_of_a_batch_at_once_make_the_same_whole_result(
    nodes_up: Cluster, config: dict[str, object], local: Work, tmp_path: Path
) -> None:
    """slurmd dies, its job continues, and Slurm starts the job once more elsewhere."""
    cluster = nodes_up
    work = Work(tmp_path / "twice", config | {"studies_per_job": STUDIES}, cluster)
    batch = "001-000"
    work.fault(batch, "hold", attempt=1)
    work.fault(batch, "hold", attempt=2)
    work.start()
    try:
        wait_until(lambda: work.hit(batch, attempt=1))
        (job,) = work.jobs()
        node = cluster.run("squeue", "--noheader", f"--jobs={job.number}", "--format=%N")
        cluster.kill_slurmd(node)
        release_requeued(work, job.number)
        wait_until(lambda: work.hit(batch, attempt=2))
        # Both copies wait, each after a hundred files of its own. Now they convert the rest side by side.
        assert len(cluster.pids_of("convert-batch", work.folder)) >= 4
        work.release()
        work.finish()
        wait_until(lambda: not cluster.pids_of("convert-batch", work.folder))
    finally:
        work.release()
        work.end()
        cluster.restart_node(node)
    assert work.dicoms() == local.dicoms()
    before = work.times()
    assert (work.table(), work.times()) == (local.table(), before)
    work.run()
    assert (work.table(), work.times()) == (local.table(), before)


@pytest.fixture(scope="module")
def interrupted(
    plain_cluster: Cluster, config: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Work, dict[str, int], str]:
    """A run with a site's own settings, interrupted and resumed; DICOMs and the job's details at the interruption."""
    work = Work(tmp_path_factory.mktemp("interrupted"), config | {"studies_per_job": STUDIES}, plain_cluster)
    shutil.copy(PROFILE / "site.yaml", work.folder)
    for node in plain_cluster.nodes:
        plain_cluster.restart_node(node)
    work.fault("001-000", "hold")
    work.start("--profile", "site.yaml")
    try:
        wait_until(lambda: work.hit("001-000"))
        details = plain_cluster.run("scontrol", "show", "job", work.jobs()[0].number)
    finally:
        work.end()
    wait_until(lambda: work.states("001-000") == ["CANCELLED"])
    before = work.times()
    work.run("--profile", "site.yaml")
    return work, before, details


def test_interrupting_snakemake_cancels_its_jobs_and_the_next_run_goes_on(
    interrupted: tuple[Work, dict[str, int], str], local: Work
) -> None:
    work, before, _ = interrupted
    assert work.states("001-000") == ["COMPLETED", "CANCELLED"]
    assert work.dicoms() == local.dicoms()
    assert before
    assert before.items() <= work.times().items()


def test_the_site_has_the_last_word_on_partition_cores_memory_and_time(
    interrupted: tuple[Work, dict[str, int], str],
) -> None:
    """profiles/slurm/site.yaml, as docs/cluster.md tells to use it."""
    _, _, details = interrupted
    for setting in ("Partition=main", "NumCPUs=2", "MinMemoryNode=1500M", "TimeLimit=02:00:00"):
        assert setting in details
