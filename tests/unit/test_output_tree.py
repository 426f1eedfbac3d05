"""Writing: whole files or none, never outside, no traces of the killed."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from wfdb2dicom.errors import OutputError, PathError
from wfdb2dicom.system.output_tree import OutputTree


def files(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir())


def test_a_file_is_written_with_its_folders_and_leaves_no_temporary_one(tmp_path: Path) -> None:
    written = OutputTree(str(tmp_path / "out")).write("a/b/c.dcm", b"headdata")
    path = tmp_path / "out/a/b/c.dcm"
    assert path.read_bytes() == b"headdata"
    assert (written.size, written.mtime_ns) == (8, path.stat().st_mtime_ns)
    assert files(tmp_path) == ["out/a/b/c.dcm"]


def test_a_reader_sees_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    target = OutputTree(str(tmp_path))
    contents = [bytes([n]) * 300_000 for n in range(4)]
    target.write("x.dcm", contents[0])
    seen, stop = set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            content = (tmp_path / "x.dcm").read_bytes()
            seen.add((len(content), len(set(content))))

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(200):
        target.write("x.dcm", contents[n % 4])
    stop.set()
    reader.join()
    assert seen == {(300_000, 1)}


@pytest.mark.parametrize("path", ["../x.dcm", "a/../../x.dcm", "link/x.dcm", "link/new/x.dcm"])
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    root, outside = tmp_path / "out", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    with pytest.raises(PathError):
        OutputTree(str(root)).write(path, b"x")
    assert files(outside) == [] and not (tmp_path / "x.dcm").exists()
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_the_file_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    root = tmp_path / "out"
    root.mkdir()
    (root / "x.dcm").symlink_to(tmp_path / "precious")
    target = OutputTree(str(root))
    assert target.read("x.dcm", 8) is None
    target.write("x.dcm", b"x")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert (root / "x.dcm").read_bytes() == b"x" and not (root / "x.dcm").is_symlink()


def test_a_name_the_file_system_cannot_hold_is_the_studys_error(tmp_path: Path) -> None:
    target = OutputTree(str(tmp_path))
    with pytest.raises(PathError, match="File name too long"):
        target.write("x" * 300 + ".dcm", b"x")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(PathError, match="Not a directory"):
        target.write("file/x.dcm", b"x")
    (tmp_path / "folder.dcm").mkdir()
    with pytest.raises(PathError, match="Is a directory"):
        target.write("folder.dcm", b"x")
    assert files(tmp_path) == ["file"]


def test_a_long_name_that_fits_needs_no_room_for_the_temporary_one(tmp_path: Path) -> None:
    name = "x" * 251 + ".dcm"
    OutputTree(str(tmp_path)).write(name, b"x")
    assert files(tmp_path) == [name]


def test_a_full_disk_stops_the_job_and_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; from wfdb2dicom.errors import OutputError\n"
        "from wfdb2dicom.system.output_tree import OutputTree\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: OutputTree(sys.argv[1]).write('a/x.dcm', b'y' * 400 + b'x' * 4000)\n"
        "except OutputError as error: print(error)\n"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert "File too large; no result is lost" in done.stdout
    assert files(tmp_path) == []


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    script = (
        "import fcntl, os, sys, time; from wfdb2dicom.system.output_tree import _HOST\n"
        "fd = os.open(f'{sys.argv[1]}/.x.dcm.{_HOST}-{os.getpid()}.part', os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(fd, fcntl.LOCK_EX); print('ready', flush=True); time.sleep(60)\n"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=scripts, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None and writer.stdout.readline() == b"ready\n"
    writers[0].kill()
    writers[0].wait()
    try:
        assert len(files(tmp_path)) == 2
        OutputTree(str(tmp_path)).write("x.dcm", b"x")
        names = files(tmp_path)
        assert len(names) == 2 and names[0].endswith(f"-{writers[1].pid}.part") and names[1] == "x.dcm"
    finally:
        writers[1].kill()
        writers[1].wait()


def test_a_target_that_cannot_be_made_is_nobodys_study(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="Not a directory"):
        OutputTree(str(tmp_path / "file" / "out"))


def test_a_folder_that_takes_no_files_stops_the_job(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no result is lost"):
        OutputTree("/proc/self").write("x.dcm", b"x")


def test_folders_that_vanish_are_made_again_and_a_moved_one_is_left_soon(tmp_path: Path) -> None:
    target = OutputTree(str(tmp_path / "out"))
    target.write("a/b/1.dcm", b"1")
    shutil.rmtree(tmp_path / "out/a")
    target.write("a/b/2.dcm", b"2")
    assert files(tmp_path) == ["out/a/b/2.dcm"]
    (tmp_path / "out/a").rename(tmp_path / "elsewhere")
    for n in range(200):
        target.write(f"a/b/{n}.dcm", b"3")
    assert (tmp_path / "out/a/b/199.dcm").read_bytes() == b"3"
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(OutputError, match="vanished while it was written to"):
        target.write("a/b/3.dcm", b"3")


def test_a_link_that_stays_within_is_followed_and_one_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    target = OutputTree(str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    target.write("link/new/x.dcm", b"x")
    assert (tmp_path / "real/new/x.dcm").read_bytes() == b"x"
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(PathError, match="'dangling' in dcm_dir is a link that leads nowhere; remove the link"):
        target.write("dangling/x.dcm", b"x")
