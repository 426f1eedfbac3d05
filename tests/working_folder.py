"""A folder with a configuration, in which Snakemake really runs."""

import csv
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import yaml

from finished_run import Run

ROOT = Path(__file__).resolve().parents[1]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
PATIENCE = 300  # seconds


def run_to_end(command: list[str], folder: Path) -> Run:
    done = subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=PATIENCE,
    )
    return Run(done.returncode, done.stdout)


@dataclass
class WorkingFolder:
    """A working directory and its configuration."""

    folder: Path
    config: dict[str, object] = field(default_factory=dict)

    def command(self, *arguments: str, **config: object) -> list[str]:
        """What to call; as much is written into the configuration."""
        self.folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(self.config | config, allow_unicode=True)
        (self.folder / "mine.yaml").write_text(text, encoding="utf-8")
        snakefile = ["--snakefile", str(ROOT / "Snakefile"), "--configfile", "mine.yaml"]
        return [*SNAKEMAKE, *snakefile, "--cores", "2", "-p", *arguments]  # -p: what Snakemake says is tested too

    def start(self, *arguments: str, **config: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments, **config),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )

    def start_quietly(self, output: IO[str]) -> subprocess.Popen[bytes]:
        """The same with its output in a file, so that it never waits for a reader."""
        return subprocess.Popen(self.command(), cwd=self.folder, stdout=output, stderr=output)

    def run(self, *arguments: str, status: int = 0, **config: object) -> Run:
        """Run Snakemake to its end, and insist on its exit status."""
        done = run_to_end(self.command(*arguments, **config), self.folder)
        assert done.status == status, done.output
        return done

    def table(self) -> dict[str, dict[str, str]]:
        """The result CSV by study."""
        with open(self.folder / "results/studies.with_dcm.csv", newline="", encoding="utf-8") as stream:
            return {row["study_id"]: row for row in csv.DictReader(stream)}

    def errors(self) -> dict[str, str]:
        return {study: row["dcm_error"] for study, row in self.table().items() if row["dcm_error"]}

    def summary(self) -> dict[str, object]:
        return json.loads((self.folder / "results/summary.json").read_text())
