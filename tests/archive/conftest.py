"""Converted batches, and a command that sends them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from orthanc import Orthanc
from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.archive.sent_table import SentObject, read_sent
from wfdb2dicom.batches.tables import ReceiptRow, read_receipt, write_receipt

LEADS = ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6")


@dataclass
class Batch:
    """A converted batch in a folder of its own, as `convert` leaves it."""

    folder: Path
    scripts: Path

    @property
    def receipt(self) -> Path:
        return self.folder / "receipts" / "001-000.tsv"

    @property
    def table(self) -> Path:
        return self.folder / "store" / "001-000.tsv"

    @property
    def journals(self) -> Path:
        return self.folder / "store" / "journal"

    @property
    def dcm_dir(self) -> Path:
        return self.folder / "dicom"

    def convert(self, carts: list[str]) -> None:
        """One study for each cart id; another cart makes another object of the same study."""
        rows = []
        for number, cart in enumerate(carts):
            name = str(40_000_000 + number)
            record = self.folder / "wfdb" / name
            dicom = self.dcm_dir / f"{name}.dcm"
            self._write_record(record, seed=number)
            acquisition = Acquisition(subject_id="10000032", study_id=name, cart_id=cart)
            outcome = convert_record(record, dicom, acquisition)
            size, mtime = str(outcome.size), str(outcome.mtime_ns)
            status, digest, facts = outcome.status, outcome.sha256, json.dumps(dict(outcome.facts))
            rows.append(ReceiptRow(name, status, "", "0" * 16, dicom.name, size, mtime, digest, facts))
        rows.append(ReceiptRow("49999999", "failed", "SignalError: cut off", "0" * 16, "x.dcm", "", "", "", ""))
        write_receipt(self.receipt, rows, sync=False)

    @staticmethod
    def _write_record(record: Path, seed: int) -> None:
        samples = np.random.default_rng(seed).integers(-900, 900, (500, 12)).astype("<i2")
        sums = samples.sum(axis=0, dtype=np.int64) % 65536
        lines = [f"{record.name} 12 500 500 08:44:00 23/07/2180"]
        lines += [
            f"{record.name}.dat 16 200.0(0)/mV 16 0 {samples[0, n]} {sums[n]} 0 {lead}" for n, lead in enumerate(LEADS)
        ]
        record.parent.mkdir(parents=True, exist_ok=True)
        record.with_suffix(".hea").write_text("\n".join(lines) + "\n")
        record.with_suffix(".dat").write_bytes(samples.tobytes())

    def uids(self) -> list[str]:
        """The objects of the receipt, sorted."""
        return sorted(self.uids_in_order())

    def uids_in_order(self) -> list[str]:
        """The same in the order of the studies."""
        return [json.loads(row.facts)["sop_instance_uid"] for row in read_receipt(self.receipt) if row.facts]

    def objects(self) -> list[tuple[str, Path]]:
        """SOP Instance UID and file of each object, in the order of the studies."""
        files = [self.dcm_dir / row.dicom for row in read_receipt(self.receipt) if row.facts]
        return list(zip(self.uids_in_order(), files, strict=True))

    def rows(self) -> dict[str, SentObject]:
        """The table by study; superseded objects aside."""
        return {row.study_id: row for row in read_sent(self.table)[1] if row.status != "superseded"}

    def statuses(self) -> list[str]:
        return [row.status for row in self.rows().values()]

    def command(self, archive: str) -> list[str]:
        script = [sys.executable, str(self.scripts / "wfdb2dicom"), "send", "batch", f"--archive={archive}"]
        places = [f"--dcm-dir={self.dcm_dir}", f"--journals={self.journals}", str(self.receipt), str(self.table)]
        return script + places

    def send(self, archive: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Send the batch, with credentials in the environment."""
        return subprocess.run(
            self.command(archive), capture_output=True, text=True, env=clean_environment() | environment, timeout=120
        )


def clean_environment() -> dict[str, str]:
    """Without what a developer may have set."""
    return {k: v for k, v in os.environ.items() if not k.startswith("WFDB2DICOM_ARCHIVE") and k != "REQUESTS_CA_BUNDLE"}


@pytest.fixture
def make_batch(tmp_path: Path, project: Path) -> Callable[..., Batch]:
    """A function that converts a batch of so many studies."""

    def make(studies: int = 6) -> Batch:
        batch = Batch(tmp_path / "batch", project / "scripts")
        batch.convert(["1"] * studies)
        return batch

    return make


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """An archive that lets everyone in."""
    with Orthanc(tmp_path / "orthanc") as archive:
        yield archive


def address(archive: Orthanc, protocol: str) -> str:
    """The configuration key archive for an Orthanc, as JSON."""
    if protocol == "stow":
        return f'{{"url": "{archive.dicomweb}"}}'
    return f'{{"host": "127.0.0.1", "port": {archive.dicom_port}, "aet": "{archive.aet}"}}'
