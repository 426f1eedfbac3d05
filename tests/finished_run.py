"""Exit status and output of a finished process, in the tests that run Snakemake or one of its jobs."""

import re
from dataclasses import dataclass


@dataclass
class Run:
    """Exit status and output of a process."""

    status: int
    output: str

    @property
    def batches(self) -> list[str]:
        """Batches that ran. Snakemake writes to the same pipe, so their lines need not begin where a line begins."""
        return re.findall(r"batch (\S+): \d+ studies, \d+ converted", self.output)

    @property
    def nothing_done(self) -> bool:
        return "Nothing to be done" in self.output or "nothing to do: " in self.output
