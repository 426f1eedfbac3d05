"""The tables of a published data set: manifest.parquet, RECORDS and SHA256SUMS.txt, all in the order of the records.

The manifest is that of the run with paths relative to the data set, and of each error its kind: its text may name
folders of this machine. RECORDS lists the objects with their extension: a name without one stands for the several files
of a WFDB record, and PhysioNet lists other formats with it (``chb01/chb01_01.edf``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wfdb2dicom.inputs.studies import path_prefix
from wfdb2dicom.results.manifest import read_manifest

MANIFEST = "manifest.parquet"
RECORDS = "RECORDS"
SUMS = "SHA256SUMS.txt"
_OUTSIDE = r"^/|\\|^[A-Za-z]:|^\.\."  # absolute paths, and those with a backslash or that leave their folder
_CHUNK = 20_000  # rows of a row group, and lines made at a time


def publishable(manifest: Path, dcm_dir: str) -> pa.Table:
    """The manifest of a run as it is published.

    Parameters
    ----------
    manifest : Path
        See `wfdb2dicom.results.manifest`.
    dcm_dir : str
        Folder of the objects, as in the manifest's paths.

    Returns
    -------
    pyarrow.Table
        In the order of records and studies, however the run was divided into batches.
    """
    table = read_manifest(manifest).sort_by([("record", "ascending"), ("study_id", "ascending")])
    prefix = path_prefix(dcm_dir)
    paths = pc.utf8_slice_codeunits(table["dcm_path"], len(prefix)) if prefix else table["dcm_path"]
    kinds = pc.list_element(pc.split_pattern(table["error"], ":", max_splits=1), 0)
    # A study without a record below wfdb_dir failed, and has what the study CSV says in its place.
    outside = pc.match_substring_regex(table["record"], _OUTSIDE)
    records = pc.if_else(outside, pa.scalar(None, pa.string()), table["record"])
    for name, values in (("dcm_path", paths), ("error", kinds), ("record", records)):
        at = table.column_names.index(name)
        table = table.set_column(at, table.schema.field(at), values.cast(pa.string()))
    return table


def write_manifest(path: Path, table: pa.Table) -> None:
    """Write the manifest; equal tables give equal bytes."""
    pq.write_table(table, path, compression="zstd", row_group_size=_CHUNK)


def write_records(path: Path, table: pa.Table) -> None:
    """Write RECORDS: the path of each object, one per line."""
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        for objects in _objects(table):
            stream.writelines(f"{name}\n" for name in objects["dcm_path"].to_pylist())


def write_sums(path: Path, table: pa.Table, others: Iterable[tuple[str, str]]) -> None:
    """Write SHA256SUMS.txt, which ``sha256sum -c`` understands.

    Parameters
    ----------
    path : Path
    table : pyarrow.Table
        The manifest, whose digests are those of the objects.
    others : iterable of (str, str)
        Name and digest of the files beside the objects.
    """
    with open(path, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(_sum(name, digest) for name, digest in others)
        for objects in _objects(table):
            columns = objects["dcm_path"].to_pylist(), objects["sha256"].to_pylist()
            stream.writelines(_sum(name, digest) for name, digest in zip(*columns, strict=True))


def _objects(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """Paths and digests of the objects, a part at a time."""
    objects = table.select(["dcm_path", "sha256"])
    yield from objects.filter(pc.is_valid(objects["dcm_path"])).to_batches(max_chunksize=_CHUNK)


def _sum(name: str, digest: str) -> str:
    """A line of sha256sum, which puts a backslash before the digest when the name has a backslash or a line break."""
    if "\\" in name or "\n" in name or "\r" in name:
        name = name.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        return f"\\{digest}  {name}\n"
    return f"{digest}  {name}\n"
