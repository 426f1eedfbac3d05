"""The program that the workflow is measured against does what it is said to do."""

import hashlib
from pathlib import Path

import pytest

from bench import bench, tree

STUDIES = 30
SUMS = 24  # bytes: twelve sums of 16 bits each, then the digest of what follows, with zeros in the digest's place


@pytest.mark.parametrize("library", ["libcrypto", "own"])
def test_the_floor_reads_sums_digests_and_writes_every_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    program = bench.build_floor(tmp_path)
    if program is None:
        pytest.skip("no C compiler")
    if library == "own":
        monkeypatch.setenv("FLOOR_OWN_SHA256", "1")
    tree.write(tmp_path / "tree", STUDIES, 500)
    bench.floor(program, tmp_path / "tree", tmp_path / "out")
    objects = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(objects) == STUDIES and not list((tmp_path / "out").rglob("*.part"))
    for path in objects:
        content = path.read_bytes()
        record = tmp_path / "tree" / path.relative_to(tmp_path / "out").with_suffix(".dat")
        assert content[4500:] == record.read_bytes()
        header = record.with_suffix(".hea").read_text().splitlines()[1:13]
        sums = [int.from_bytes(content[n : n + 2], "little") for n in range(0, SUMS, 2)]
        assert sums == [int(line.split()[6]) % 65536 for line in header]
        digested = bytes(32) + content[SUMS + 32 :]
        assert content[SUMS : SUMS + 32] == hashlib.sha256(digested).digest()


def test_two_copies_take_half_of_the_tree_each(tmp_path: Path) -> None:
    tree.write(tmp_path / "tree", STUDIES, 10)
    bench.copy_halves(tmp_path / "tree", tmp_path / "copy")
    files = {path.relative_to(tmp_path / "tree") for path in (tmp_path / "tree").rglob("*.*") if path.suffix != ".csv"}
    assert files == {path.relative_to(tmp_path / "copy") for path in (tmp_path / "copy").rglob("*.*")}


def test_a_failure_of_either_of_two_commands_is_noticed() -> None:
    for one, other in (("false", "true"), ("true", "false")):
        with pytest.raises(SystemExit):
            bench.run(["bash", "-c", bench.both(one, other)])
    bench.run(["bash", "-c", bench.both("true", "true")])
