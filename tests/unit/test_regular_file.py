"""Files of our own are regular ones, read and written to the end; no link is followed and no FIFO waited for."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import wfdb2dicom
from wfdb2dicom.errors import ConfigError
from wfdb2dicom.system import lock
from wfdb2dicom.system.regular_file import file_digest, open_regular, read_file
from wfdb2dicom.system.whole_file import replace_file


def test_content_and_digests_are_those_of_the_file(tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    (tmp_path / "x").write_bytes(content)
    assert read_file(tmp_path / "x") == content
    assert file_digest(tmp_path / "x", "sha256") == hashlib.sha256(content).hexdigest()
    assert file_digest(tmp_path / "x") == hashlib.blake2b(content, digest_size=16).hexdigest()
    (tmp_path / "x").write_bytes(b"")
    assert read_file(tmp_path / "x") == b""


def make_irregular(path: Path, kind: str) -> None:
    """Put something that is not a regular file in the place of one."""
    if kind == "FIFO":
        os.mkfifo(path)
    elif kind == "link":
        (path.parent / "elsewhere").write_bytes(b"precious")
        path.symlink_to(path.parent / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":
        path.symlink_to("/dev/zero")


KINDS = {"FIFO": "a FIFO", "link": "a symbolic link", "folder": "a folder", "device": "a symbolic link"}


@pytest.mark.parametrize("kind", KINDS)
def test_anything_but_a_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    make_irregular(tmp_path / "x", kind)
    with pytest.raises(OSError, match=f"not a regular file but {KINDS[kind]}"):
        open_regular(tmp_path / "x")
    open_descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(OSError, match="not a regular file"):
            read_file(tmp_path / "x")
    assert len(os.listdir("/proc/self/fd")) == open_descriptors


def test_a_device_is_refused() -> None:
    with pytest.raises(OSError, match="not a regular file but a FIFO or a device"):
        open_regular("/dev/zero")


@pytest.mark.parametrize("kind", ["FIFO", "link"])
def test_a_file_is_written_whatever_has_its_name_or_its_temporary_one(tmp_path: Path, kind: str) -> None:
    for name in ("x", ".x.tmp"):
        make_irregular(tmp_path / name, kind)
    replace_file(tmp_path / "x", b"whole")
    assert read_file(tmp_path / "x") == b"whole"
    assert not os.path.lexists(tmp_path / ".x.tmp")
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"precious"


def test_a_lock_that_is_held_stays_held_and_another_process_is_refused(tmp_path: Path) -> None:
    assert lock.hold(tmp_path / ".lock") and lock.hold(tmp_path / ".lock")
    code = "import sys; from pathlib import Path; from wfdb2dicom.system import lock; lock.hold(Path(sys.argv[1]))"
    environment = os.environ | {"PYTHONPATH": str(Path(wfdb2dicom.__file__).parent.parent)}
    command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and f"(process {os.getpid()} on " in done.stderr


@pytest.mark.parametrize("kind", ["FIFO", "link"])
def test_a_lock_follows_no_link_and_waits_for_no_fifo(tmp_path: Path, kind: str) -> None:
    make_irregular(tmp_path / ".lock", kind)
    with pytest.raises((OSError, ConfigError), match="not a regular file"):
        lock.hold(tmp_path / ".lock")
    if kind == "link":
        assert (tmp_path / "elsewhere").read_bytes() == b"precious"
