# What Snakemake 9 does not offer: each with the upstream issue, or "not reported yet". All of it may go with 10.
import atexit
import gc
import logging
import sys

# Python ends with a search for garbage in all that Snakemake holds: 0.3 s of each run. Not reported yet.
atexit.register(gc.freeze)


def lift_start_limit():
    """Let jobs start without a limit per second where they run on this machine. Not reported yet.

    With one, and Snakemake always has one, each look for jobs to start is followed by another a second later, and each
    job that ends begins one more such chain: hundreds of looks a second in the end, a fifth of all CPU at 256 batches.
    Settings are not known yet while rules are read, so this is for `onstart`.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def terminal_handlers():
    """What writes Snakemake's messages to the terminal. A logger plugin could do that too, but must be installed."""
    return [
        handler for handler in logging.getLogger("snakemake.logging").handlers if handler.name == "DefaultStreamHandler"
    ]


# Whether a workflow around this one has it as a module.
AS_MODULE = workflow.modifier.skip_configfile

# Whether Snakemake's own messages are wanted on the terminal: with -p or --verbose, from jobs that are processes of
# their own, and in a workflow that has this one as a module.
SHOW_ALL = (
    not workflow.is_main_process
    or AS_MODULE
    or workflow.output_settings.printshellcmds
    or workflow.output_settings.verbose
    or workflow.output_settings.debug_dag
)


def made_now(path):
    """Tell Snakemake that an input function has written a file.

    It lists folders once, before input functions are asked, and would miss the file. Not reported yet.
    """
    workflow.iocache.exists_local[str(path)] = True
    workflow.iocache.mtime.pop(str(path), None)
