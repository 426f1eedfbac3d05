# Configuration, paths and input functions that the rules share.
import contextlib
import json
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from wfdb2dicom.system import current_run, lock
from wfdb2dicom.batches import freshness, plan_files
from wfdb2dicom.batches.tables import read_generation
from wfdb2dicom.batches.rerun_token import results_token
from wfdb2dicom.inputs import records_csv
from wfdb2dicom.inputs.columns import StudyColumns
from wfdb2dicom.inputs.configuration import check_inputs, complete, error_log
from wfdb2dicom.inputs.find_tables import TABLES, find_tables
from wfdb2dicom.errors import ConfigError, Wfdb2DicomError, told
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.uids import ENCODING_VERSION
from wfdb2dicom.batches.progress import ProgressReader
from wfdb2dicom.cli.statusline import Display
from wfdb2dicom.inputs.studies import path_prefix
from wfdb2dicom.system.folders import require_writable
from wfdb2dicom.system.regular_file import read_file, refuse_irregular
from wfdb2dicom.system.whole_file import replace_file
from wfdb2dicom.words import shown

STARTED = time.time()
PLANS = Path("results/plan")
RECEIPTS = Path("results/receipts")
LOCK = Path("results/.lock")
PLAN_OPTIONS = Path("results/.plan_options.json")
DISPLAY = Display(ProgressReader(PLANS, RECEIPTS, Path("results/progress")), sys.stderr)


def refuse_prefix(*paths):
    """Refuse a module with `prefix:`, which moves the files that rules declare but not the arguments of scripts."""
    for path in paths:
        moved = workflow.modifier.path_modifier.replace_prefix(path)
        if moved != path:
            raise ConfigError(
                f"prefix: the module statement makes {path} into {moved}, which this workflow cannot follow: leave "
                "prefix (or replace_prefix) out; dcm_dir and output_csv say where results go, --directory where results/"
            )


def may_write():
    """Whether this process writes the tables that it reads: the main one does, unless another run is using the folder."""
    return workflow.is_main_process and not lock.is_held(LOCK)


def tables_in_wfdb_dir(options):
    """The tables that are found in the data set, folder or ZIP; the run says which."""
    found = find_tables(options, extract=may_write())
    if workflow.is_main_process:
        for key, path in found.items():
            print(shown(f"{key}: {options[key]} is taken from {options['wfdb_dir']}"), file=sys.stderr)
    return found


def studies_of_records(options, found):
    """The study CSV that takes the place of a RECORDS, written by the process that decides what to run."""
    made = records_csv.studies_of_records(options, found.get("input_csv", ""), write=may_write())
    return {"input_csv": made} if made else {}


def read_config():
    """The complete options; what the `config:` of a module leaves out has its default too."""
    if set("{}") & set(str(ROOT)):
        raise WorkflowError(f"{ROOT} holds a brace, which Snakemake takes for a wildcard: rename the project's folder")
    try:
        options = complete(config, load_configfile(ROOT / "config.yaml"), ROOT / "workflow/schemas/config.schema.yaml")
        found = tables_in_wfdb_dir(options) if not AS_MODULE else {}
        options |= found | studies_of_records(options, found)
        # Jobs on other nodes need not look again. A module's inputs may be made by rules of the workflow around it.
        if workflow.is_main_process:
            refuse_prefix("results/plan", options["dcm_dir"], options["output_csv"])
            check_inputs(options, may_be_made_later=AS_MODULE)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    return options


config.update(read_config())


def literal(path):
    """A path from the configuration, in which braces are no wildcards."""
    return str(path).replace("{", "{{").replace("}", "}}")


def in_dcm_dir(name):
    """The pattern of a file in dcm_dir, spelled as Snakemake compares it."""
    return literal(path_prefix(config["dcm_dir"])) + name


def untracked(value):
    """A parameter whose change reruns nothing: Snakemake does not record functions of the input."""
    return lambda wildcards, input: value


def command(name):
    """A command of wfdb2dicom, which need not be installed.

    Where rules have environments of their own, `python` is theirs; else it is the one that runs Snakemake, which
    need not be on the PATH. Each process finds that out for itself, and a moved clone reruns nothing.
    """
    python = "python" if workflow.deployment_settings.deployment_method else sys.executable
    return untracked(f"{shlex.quote(python)} {shlex.quote(str(SCRIPTS / 'wfdb2dicom'))} {name}")


def arguments(*keys):
    """Options as arguments of a script: `--key=value`, the values of a list separated by commas."""
    values = {key: ",".join(config[key]) if isinstance(config[key], list) else config[key] for key in keys}
    return [f"--{key.replace('_', '-')}={value}" for key, value in values.items()]


def switches(*keys):
    """True options as arguments of a script: `--key`."""
    return " ".join(f"--{key.replace('_', '-')}" for key in keys if config[key])


@cache
def plan_token():
    """The token of the plan: a new one when sources, DICOMs and receipts are not as planned, see wfdb2dicom.batches.rerun_token.

    Looked at once, by the process that decides what to run; its jobs go by what the plan was given.
    """
    if not workflow.is_main_process:
        return freshness.stored_plan_token(PLANS)
    return freshness.plan_token(
        PLANS,
        RECEIPTS,
        inputs=[Path(config[key]) for key in TABLES if config[key]],
        wfdb_dir=config["wfdb_dir"],
        policy=freshness.Policy(**{key: config[key] for key in ("retry_failed", "overwrite", "watch_sources")}),
    )


# The options on which a plan depends, but for annotations, which is a switch.
PLANNED = (
    *(f"{column}_col" for column in StudyColumns._fields),
    *("wfdb_dir", "dcm_dir", "missing_metadata", "studies_per_job", "max_studies_per_job"),
    *(name for name in Options.names() if name != "annotations"),
)


def plan_options(wildcards):
    """A file that is written when the token or an option of the plan has changed.

    Snakemake compares parameters with its records in .snakemake. Where those are lost or of another version, or where
    --rerun-triggers leaves parameters out, it has only the times of files to go by.
    """
    if workflow.is_main_process and not workflow.dryrun and not are_noted() and is_alone():
        with contextlib.suppress(OSError):  # the records alone, then
            replace_file(PLAN_OPTIONS, options_of_plan())
            made_now(PLAN_OPTIONS)
    return [str(PLAN_OPTIONS)] if PLAN_OPTIONS.exists() else []


def options_of_plan():
    """All that makes a new plan necessary, as the bytes of a file."""
    options = {key: config[key] for key in (*PLANNED, "annotations")}
    return json.dumps({"token": plan_token(), "encoding_version": ENCODING_VERSION, "options": options}).encode()


def are_noted():
    """Whether the file has the token and the options of this run."""
    try:
        return read_file(PLAN_OPTIONS) == options_of_plan()
    except OSError:
        return False


@cache
def is_alone():
    """Whether no other run uses the working directory, which this one then holds; `onstart` refuses one that is not."""
    try:
        lock.hold(LOCK)
    except (ConfigError, OSError):
        return False
    return True


@cache
def token_of_results():
    """The token of the results: a new one when one of them is no longer what the last aggregate wrote."""
    return results_token(Path("results/.results.json"))


def planned_receipts(wildcards):
    """The receipts of all batches, once they are planned."""
    if workflow.dryrun and workflow.is_main_process and not AS_MODULE:
        preview_of_run()
    plans = Path(checkpoints.plan.get().output[0])
    return sorted(str(RECEIPTS / plan.name) for plan in plans.glob("*.tsv"))


@cache
def preview_of_run():
    """What a dry run says of the studies; None where the last plan holds and was carried out."""
    if is_carried_out():
        return None
    from wfdb2dicom.batches import plan, preview  # imports that no other run needs

    try:
        return preview.preview(plan.PlanConfig.from_options(config), PLANS, RECEIPTS)
    except (Wfdb2DicomError, OSError) as error:
        raise WorkflowError(told(error)) from None


def is_carried_out():
    """Whether the last plan was made with the token and options of this run, and each of its batches has its receipt."""
    try:
        planned = (PLANS / plan_files.TOKEN_FILE).stat().st_mtime_ns
        if PLAN_OPTIONS.stat().st_mtime_ns > planned or not are_noted():
            return False
    except OSError:
        return False
    return all((RECEIPTS / plan.name).exists() for plan in PLANS.glob("*.tsv"))


def plan_of_study(wildcards):
    """The plan file of the batch to which a single DICOM belongs."""
    plans = Path(checkpoints.plan.get().output[0])
    plan = plan_files.find_plan(plans, f"{wildcards.record}.dcm")
    if plan is None:
        raise WorkflowError(
            f"no study of input_csv ({config['input_csv']}) becomes {config['dcm_dir']}/{wildcards.record}.dcm: "
            "its path there is the study's path in the CSV without extension, then .dcm"
        )
    return str(plan)


def studies_in(input):
    """Number of studies of a batch, by the size of its plan file (some 250 bytes each)."""
    return 1 + Path(input.plan).stat().st_size // 200


def conversions_in(wildcards, input):
    """What a batch has to do, in words for the screen; a dry run says it exactly."""
    try:
        words = f"{plan_files.count_studies(Path(input.plan))} studies"
    except OSError:  # in a dry run before the first plan
        return "known once plan has run"
    found = preview_of_run() if workflow.dryrun and workflow.is_main_process and not AS_MODULE else None
    return str(found.batches.get(wildcards.batch, words)) if found else words


def generation_of_plan(wildcards):
    """The generation of a batch's plan file: a new one runs the batch, also where clocks or times of files are wrong."""
    try:
        return read_generation(PLANS / f"{wildcards.batch}.tsv")
    except OSError:  # before the first plan
        return ""


def memory_of_batch(wildcards, input, threads, attempt):
    """MB of a batch job, more on each attempt: a cluster counts all processes of a job.

    Measured: twice 170 for Snakemake, 75 for the supervisor and 2.2 for 1000 studies, 95 for each worker.
    """
    return attempt * (500 + 100 * threads + studies_in(input) // 200)


def minutes_of_batch(wildcards, input, threads, attempt):
    """Minutes of a batch job, more on each attempt: ten studies a second and core, and one of 1000 that times out."""
    studies = studies_in(input)
    seconds = studies / 10 + config["timeout"] * (1 + studies / 1000)
    return attempt * (10 + int(seconds / threads / 60))


def hold_lock():
    """Refuse a second run in the same working directory, and stop what is left of an earlier one."""
    try:
        refuse_irregular("results")
        lock.hold(LOCK)
        current_run.begin(Path("results/.run"))
    except ConfigError as error:
        raise WorkflowError(str(error)) from None
    except OSError as error:
        raise WorkflowError(no_access(str(error.strerror), str(error.filename))) from None


def try_dcm_dir():
    """Refuse a dcm_dir that cannot be written: once and with its whole path, not by each batch."""
    folder = Path(config["dcm_dir"]).absolute()
    try:
        require_writable(folder)
    except OSError as error:
        raise WorkflowError(
            f"dcm_dir: cannot write into {str(folder)!r} ({error.strerror}): make room, give the right to write, or name "
            "another folder"
        ) from None


def summary_options():
    """The configuration as the summary keeps it."""
    return json.dumps(config, sort_keys=True)


def show_progress():
    """Tell at the foot of the terminal how far the run is, unless it is to be quiet or jobs only join in."""
    quiet = {str(getattr(kind, "name", kind)).lower() for kind in workflow.output_settings.quiet or ()}
    if workflow.is_main_process and not quiet & {"progress", "all"}:
        DISPLAY.start()
