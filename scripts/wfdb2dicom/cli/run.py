"""Run the workflow: convert the studies of a CSV with Snakemake.

It takes every option of Snakemake, and targets such as verify, validate or store. Results are written to the current
folder. It needs the extra `workflow`: pip install 'wfdb2dicom[workflow]'.

--dataset NAME uses the configuration of a published collection that comes with wfdb2dicom, such as mimic-iv-ecg or
ptb-xl: wfdb2dicom run --dataset ptb-xl --config wfdb_dir=ptb-xl-1.0.3.zip --cores 2. docs/datasets.md lists the
collections. --configfile and --config take precedence over it, and may be given several times.

exit status:
  0    every step is done, and no more studies failed than max_failed allows
  1    a step failed, or too many studies did
  2    wrong arguments
  130  interrupted (Ctrl-C)

example:
  wfdb2dicom run --configfile mine.yaml --cores 2
"""

import argparse
import contextlib
import gc
import io
import os
import signal
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from wfdb2dicom.cli.startup import INTERRUPTED, WrongArguments
from wfdb2dicom.cli.terminal import no_access
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.system.folders import require_writable

TAKES_ANY_ARGUMENTS = True  # Snakemake checks them
_GATHERED = (("--config", "-C"), ("--configfile",))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command line."""
    parser.usage = "wfdb2dicom run [--dataset NAME] [SNAKEMAKE_OPTION ...] [TARGET ...]"
    parser.add_argument("--dataset", metavar="NAME", help="the configuration of a published collection")
    parser.add_argument("arguments", nargs="*", metavar="ARGUMENT", help="options of Snakemake, and targets")


def snakefile() -> Path:
    """The Snakefile of a clone, or the one in the wheel."""
    package = Path(__file__).resolve().parent.parent
    places = (package.parent.parent / "Snakefile", package / "_workflow" / "Snakefile")
    for place in places:
        if place.is_file() and (place.parent / "workflow" / "Snakefile").is_file():
            return place
    raise ConfigError(f"there is no Snakefile in {places[1].parent}; install wfdb2dicom again")


def run(args: argparse.Namespace) -> int:
    """Run Snakemake in this process, so that signals reach it."""
    if find_spec("snakemake") is None:
        raise ConfigError("Snakemake is not installed; run: pip install 'wfdb2dicom[workflow]'")
    parser = argparse.ArgumentParser("wfdb2dicom run", add_help=False, allow_abbrev=False)
    parser.add_argument("--dataset")
    for option in _GATHERED:  # Snakemake forgets all but the last
        parser.add_argument(*option, action="extend", nargs="*")
    own, arguments = parser.parse_known_args(args.arguments)
    for first, *_ in _GATHERED:
        if values := getattr(own, first.strip("-")):
            arguments = [first, *values, *arguments]
    configfiles = [configuration_of(own.dataset)] if own.dataset is not None else []
    return run_snakemake([*arguments, "--snakefile", str(snakefile())], configfiles)


def configuration_of(dataset: str) -> Path:
    """The configuration of a published collection, in a clone or in the wheel.

    Raises
    ------
    WrongArguments
        When there is none of that name.
    """
    folder = snakefile().parent / "datasets"
    path = folder / f"{dataset}.yaml"
    if not path.is_file():
        names = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        raise WrongArguments(f"--dataset: there is no configuration {dataset!r}; there are {names}")
    return path


def run_snakemake(arguments: Sequence[str], configfiles: Sequence[Path] = ()) -> int:
    """Run Snakemake on a command line, without the tracebacks that it shows for what only a user can change.

    Parameters
    ----------
    arguments : sequence of str
        The command line.
    configfiles : sequence of Path
        Configurations over which those of the command line are laid.

    Returns
    -------
    int
        Exit status.

    Raises
    ------
    ConfigError
        When a file of --configfile is not there or cannot be read, or the working directory cannot be written.
    WrongArguments
        When there is no such --workflow-profile.
    """
    gc.enable()
    try:
        from snakemake.cli import args_to_api, parse_args

        messages = io.StringIO()
        try:
            with contextlib.redirect_stderr(messages):
                parser, args = parse_args(list(arguments))
        except Exception as error:  # of a profile
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            print(*_worth_reading(messages.getvalue()), sep="", end="", file=sys.stderr)
        require_profile(args.workflow_profile)
        args.configfile, targets = split_targets([*configfiles, *(args.configfile or [])])
        for path in args.configfile:
            require_keys(path)
        targets += [text for text in args.config or [] if "=" not in text]
        args.config = [text for text in args.config or [] if "=" in text]
        args.targets = [*args.targets, *targets]
        folder = Path(args.directory or ".")
        require_folder(folder)
        provide_cache(folder)
        interrupts = note_interrupts()
        return 0 if args_to_api(args, parser) else INTERRUPTED if interrupts else 1
    except KeyboardInterrupt:  # while Snakemake is imported or reads the workflow; later it handles that itself
        print("interrupted: run the same command to resume", file=sys.stderr)
        return INTERRUPTED


def note_interrupts() -> list[int]:
    """A list that grows with each Ctrl-C: Snakemake, which ends its jobs then, does not say that it was one."""
    seen: list[int] = []
    handle = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if callable(handle):
            handle(number, frame)

    if callable(handle):  # else it is ignored
        signal.signal(signal.SIGINT, note)
    return seen


def _worth_reading(messages: str) -> list[str]:
    """What Snakemake says of a command line, without its hundred lines of usage and the profile that it uses."""
    lines = messages.splitlines(keepends=True)
    if wrong := [n for n, line in enumerate(lines) if ": error: " in line]:
        return [*lines[wrong[0] :], "snakemake --help lists all options\n"]
    if "profile directory given" in messages:  # a --profile that Snakemake does not find
        return [*lines, f"wfdb2dicom's own are for --workflow-profile: {', '.join(profiles())}\n"]
    return [line for line in lines if "specific profile" not in line]


def profiles() -> list[str]:
    """The names of the profiles that come with wfdb2dicom."""
    return sorted(path.parent.name for path in (snakefile().parent / "profiles").glob("*/config.yaml"))


def require_profile(name: str | None) -> None:
    """Refuse a --workflow-profile that does not exist: Snakemake would run without any.

    Raises
    ------
    WrongArguments
        Names those that there are.
    """
    if name in (None, "none"):
        return
    places = (Path(name), Path("profiles", name), snakefile().parent / "profiles" / name)
    if not any(place.exists() for place in places):
        raise WrongArguments(f"--workflow-profile: there is no profile {name!r}; there are {', '.join(profiles())}")


def require_keys(path: Path) -> None:
    """Refuse a configuration that is not YAML, or has no keys.

    Raises
    ------
    ConfigError
        Names the file and, where it is known, the line.
    """
    import yaml  # type: ignore[import-untyped]  # of the extra, as Snakemake is

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"--configfile: {str(path)!r} is not text in UTF-8; save it as such") from None
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"--configfile: {str(path)!r}{line} is not YAML: {error.problem}; correct it") from None
    except yaml.YAMLError:
        raise ConfigError(f"--configfile: {str(path)!r} holds characters that YAML does not allow") from None
    if not isinstance(content, dict):
        raise ConfigError(f"--configfile: {str(path)!r} has no keys; write lines such as wfdb_dir: /data/ecg")


def require_folder(folder: Path) -> None:
    """Refuse a working directory in which Snakemake cannot keep its state.

    Raises
    ------
    ConfigError
        Names the folder and the remedy.
    """
    try:
        require_writable(folder / ".snakemake")
    except OSError as error:
        raise ConfigError(no_access(str(error.strerror), str(folder.absolute()))) from None


def provide_cache(folder: Path) -> None:
    """Have caches kept in the working directory where the home directory cannot be written."""
    home = Path(os.environ.get("HOME") or "/nonexistent")
    try:
        require_writable(Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache"))
    except OSError:
        os.environ["XDG_CACHE_HOME"] = str((folder / ".snakemake/cache").absolute())


def split_targets(names: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The files of --configfile, and the targets behind them, which Snakemake takes for more files.

    Raises
    ------
    ConfigError
        For a file that is not there, by its ending or because it is the only name.
    """
    targets = [str(path) for path in names[1:] if not path.exists() and path.suffix not in (".yaml", ".yml", ".json")]
    files = [path for path in names if str(path) not in targets]
    for path in files:
        if not path.is_file():
            raise ConfigError(f"--configfile: {str(path)!r} is not a file that exists; correct the path")
    return files, targets
