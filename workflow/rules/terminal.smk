# What the terminal shows. Included first, so that it holds for all that follows.
import atexit
import sys
from pathlib import Path

ROOT = Path(workflow.current_basedir).parent.parent
SCRIPTS = ROOT / "scripts" if (ROOT / "scripts").is_dir() else ROOT.parents[1]  # of a clone, or of the wheel
if str(SCRIPTS) not in sys.path:
    sys.path.insert(0, str(SCRIPTS))

# The folder of the run as seen from where the command was given.
DIRECTORY = str(workflow.overwrite_workdir or "")

from wfdb2dicom.batches.progress import ProgressReader
from wfdb2dicom.cli.terminal import Terminal, no_access


def nothing_to_do():
    """What is said instead of "Nothing to be done"."""
    if workflow.dag_settings.targets:
        return "nothing to do: what was asked for is up to date"
    state = ProgressReader(PLANS, RECEIPTS, Path("results/progress")).read()
    failed = f" but {state.failed:,}, which failed and would fail again (retry_failed)" if state.failed else ""
    return (
        f"nothing to do: all {state.studies:,} studies are up to date{failed}\n"
        f"table: {Path(DIRECTORY, config['output_csv'])}\nreport: {Path(DIRECTORY, 'results/report/index.html')}"
    )


def preview_that_was_made():
    """What a dry run says of the studies; None where no target asked for their batches."""
    return preview_of_run() if preview_of_run.cache_info().currsize else None


def quiet_terminal():
    """Show a line per stage, warnings, failures and the summary; see wfdb2dicom.cli.terminal."""
    if SHOW_ALL:
        return
    terminal = Terminal(nothing_to_do, preview_that_was_made, DIRECTORY)
    for handler in terminal_handlers():
        handler.setFormatter(terminal)
        handler.addFilter(terminal)
    atexit.register(lambda: print(*terminal.end(), sep="\n", end="\n" * bool(terminal.end()), file=sys.stderr))


quiet_terminal()
