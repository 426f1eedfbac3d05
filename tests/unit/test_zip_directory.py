"""ZIPs as publishers serve them: which members are found, that their content is verified, and what is refused."""

import os
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wfdb2dicom.errors import ConfigError, SignalError
from wfdb2dicom.inputs.zip_copies import copy_of_member
from wfdb2dicom.system.zip_directory import ZipDirectory, find_member, require_zip
from wfdb2dicom.system.zip_member import read_member

CONTENT = bytes(range(256)) * 40


def pack(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def read(path: Path, name: str) -> bytes:
    member = ZipDirectory(str(path)).member(name)
    assert member is not None
    fd = os.open(path, os.O_RDONLY)
    try:
        return read_member(fd, member, str(path))
    finally:
        os.close(fd)


def change(path: Path, old: bytes, new: bytes, *, last: bool = False) -> None:
    """Write over bytes of a file, at their first or last place."""
    content = path.read_bytes()
    at = content.rfind(old) if last else content.find(old)
    assert at >= 0
    path.write_bytes(content[:at] + new + content[at + len(old) :])


NAMES = st.text("abcäµ 0.", min_size=1, max_size=8).filter(lambda name: name.strip(". ") != "")


@given(
    members=st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map("/".join), st.binary(max_size=600), min_size=1, max_size=6
    ),
    top=st.sampled_from(["", "data-set-1.0/"]),
    method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    front=st.binary(max_size=30),
    comment=st.binary(max_size=30),
)
def test_what_zipfile_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory,
    members: dict[str, bytes],
    top: str,
    method: int,
    front: bytes,
    comment: bytes,
) -> None:
    path = tmp_path_factory.mktemp("zip") / "a.zip"
    path.write_bytes(front)
    with zipfile.ZipFile(path, "a", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(top + name, content)
    directory = ZipDirectory(str(path))
    assert len(directory) == len(members)
    for name, content in members.items():
        assert read(path, top + name) == content
        if top:
            assert read(path, name) == content
    assert directory.member("absent.hea") is None


def test_zip64_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(66_000):
            archive.writestr(f"top/{n % 100}/{n}.hea", b"%d" % n)
        with archive.open("top/wide.dat", "w", force_zip64=True) as stream:
            stream.write(CONTENT)
    assert len(ZipDirectory(str(path))) == 66_001
    assert read(path, "99/65999.hea") == b"65999"
    assert read(path, "wide.dat") == CONTENT


def test_offsets_beyond_four_gigabytes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with open(path, "wb") as stream:
        stream.truncate(2**32 + 10)  # a hole, which takes no room on disk
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("a/b.hea", CONTENT)
    assert read(path, "a/b.hea") == CONTENT
    # `zipfile` states offsets from where it began to write; those of one that wrote all of it are beyond 4 GB.
    found = find_member(str(path), "b.hea")
    assert found is not None
    assert found.offset == 2**32 + 10


@pytest.mark.parametrize("size", [1, 1000])
def test_reads_that_return_less_than_asked_are_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT, "b.dat": CONTENT[::-1]})
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, count, offset: pread(fd, min(count, size), offset))
    assert read(path, "b.dat") == CONTENT[::-1]
    assert find_member(str(path), "a.dat") is not None


def test_members_written_as_a_stream_are_read(tmp_path: Path) -> None:
    """Their local headers state neither CRC-32 nor size."""
    path = tmp_path / "a.zip"

    class Pipe:
        def __init__(self) -> None:
            self.content = b""

        def write(self, data: bytes) -> int:
            self.content += data
            return len(data)

        def flush(self) -> None:
            pass

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        archive.writestr("a.hea", CONTENT)
    path.write_bytes(pipe.content)
    assert read(path, "a.hea") == CONTENT


def test_folders_and_neighbours(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.zip", {"t/f/p1/s1/1.hea": b"", "t/f/p1/s1/1.dat": b"", "t/f/p1/s2/2.hea": b"", "t/x": b""}
    )
    directory = ZipDirectory(str(path))
    assert directory.top == "t"
    assert [directory.has(name) for name in ("f/", "f/p1/", "f/p2/", "./", "x", "y", "x/")] == [
        True,
        True,
        False,
        True,
        True,
        False,
        False,
    ]
    assert directory.neighbours(["f/p1/s1/1.hea", "f/p1/s2/2.hea", "x", "z/9.hea"]) == [2, 1, 1, 0]
    assert directory.alike("F/P1/S1/1.HEA") == "f/p1/s1/1.hea"
    assert directory.alike("f/p1/s1/3.hea") == ""


def test_a_data_set_with_a_file_beside_it_is_found_in_its_folder(tmp_path: Path) -> None:
    directory = ZipDirectory(str(pack(tmp_path / "a.zip", {"t/p1/1.hea": b"", "t/RECORDS": b"", "mine.csv": b""})))
    assert directory.top == ""
    assert directory.alike("p1/1.hea") == "t/p1/1.hea"
    assert directory.alike("p1/2.hea") == ""


def test_what_macos_adds_to_a_zip_is_not_there(tmp_path: Path) -> None:
    """`Compress` of the Finder: a second folder at the top, and a number of entries of 16 bits."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (".DS_Store", "t/a/1.hea", "__MACOSX/t/a/._1.hea", "t/RECORDS", "__MACOSX/t/._RECORDS"):
            archive.writestr(name, name)
    directory = ZipDirectory(str(path))
    assert (directory.top, sorted(directory.names())) == ("t", ["RECORDS", "a/1.hea"])
    found = find_member(str(path), "RECORDS")
    assert found is not None and found.name == "t/RECORDS"


@pytest.mark.parametrize(("stated", "right"), [(66_001 - 2**16, True), (66_001 - 2**16 + 1, False)])
def test_a_number_of_entries_modulo_65536_is_right(tmp_path: Path, stated: int, right: bool) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(66_001):
            archive.writestr(f"top/{n}", b"")
    content = path.read_bytes()
    end_64 = content.rfind(b"PK\6\6")  # with its locator before the end that all ZIPs have
    count, start = 66_001, struct.unpack_from("<Q", content, end_64 + 48)[0]
    path.write_bytes(
        content[:end_64] + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, stated, stated, end_64 - start, start, 0)
    )
    if right:
        assert len(ZipDirectory(str(path))) == count
    else:
        with pytest.raises(ConfigError, match="damaged central directory"):
            ZipDirectory(str(path))


def test_the_folder_files_is_no_top_folder(tmp_path: Path) -> None:
    directory = ZipDirectory(str(pack(tmp_path / "a.zip", {"files/p1/1.hea": b"", "files/p1/1.dat": b""})))
    assert directory.top == ""
    assert directory.has("files/p1/")


def test_a_file_is_found_without_reading_all_names(tmp_path: Path) -> None:
    path = pack(
        tmp_path / "a.zip",
        {"t/old/record_list.csv": b"old", "t/a_record_list.csv": b"other", "t/record_list.csv": b"right"},
    )
    member = find_member(str(path), "record_list.csv")
    assert member is not None
    assert member.name == "t/record_list.csv"
    assert find_member(str(path), "old/record_list.csv") is not None
    assert find_member(str(path), "list.csv") is None


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("first", "second"), [("t/RECORDS", "t/RECORDS"), ("RECORDS", "RECORDS"), ("a/RECORDS", "b/RECORDS")]
)
def test_of_two_tables_of_one_name_none_is_taken(tmp_path: Path, first: str, second: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(first, b"one")
        archive.writestr(second, b"another")
    with pytest.raises(ConfigError, match=f"has '{first}' and '{second}': pack each data set into a ZIP of its own"):
        find_member(str(tmp_path / "a.zip"), "RECORDS")


def test_a_table_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"t/RECORDS": CONTENT}, zipfile.ZIP_BZIP2)
    with pytest.raises(ConfigError, match="encrypted or neither stored nor deflated: unpack it and name the file"):
        find_member(str(path), "RECORDS")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_wrong_byte_is_the_members_error(tmp_path: Path, method: int) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT, "b.dat": b"fine"}, method)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(SignalError, match="fetch the ZIP again"):
        read(path, "a.dat")
    assert read(path, "b.dat") == b"fine"


def test_a_crc_that_differs_is_an_error(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT}, zipfile.ZIP_STORED)
    change(path, CONTENT, b"\xff" + CONTENT[1:])
    with pytest.raises(SignalError, match="size and CRC-32"):
        read(path, "a.dat")


def test_more_content_than_stated_is_an_error(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT})
    size = struct.pack("<I", len(CONTENT))
    change(path, size, struct.pack("<I", 7))
    change(path, size, struct.pack("<I", 7), last=True)
    with pytest.raises(SignalError, match="size and CRC-32"):
        read(path, "a.dat")


def test_a_small_file_that_unpacks_to_far_more_is_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(pack(tmp_path / "a.zip", {"RECORDS": bytes(20 << 20), "b.csv": bytes(15 << 20)}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SignalError, match=r"'RECORDS' in .*a.zip unpacks from \d+ to 20971520 bytes, which no table"):
        ZipDirectory(path).read("RECORDS")
    with pytest.raises(ConfigError, match=r"RECORDS cannot be read: 'RECORDS' in .* unpacks from"):
        copy_of_member(path, "RECORDS")
    assert Path(copy_of_member(path, "b.csv")).stat().st_size == 15 << 20


def test_a_zip_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT, "b.dat": CONTENT})
    member = ZipDirectory(str(path)).member("b.dat")
    assert member is not None
    pack(path, {"c.dat": CONTENT[::-1], "b.dat": CONTENT})
    fd = os.open(path, os.O_RDONLY)
    with pytest.raises(SignalError, match="replaced meanwhile"):
        read_member(fd, member._replace(offset=member.offset - 3), str(path))
    path.write_bytes(b"")
    with pytest.raises(SignalError, match="cut short"):
        read_member(fd, member, str(path))
    os.close(fd)


def test_encrypted_and_other_methods_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT}, zipfile.ZIP_LZMA)
    with pytest.raises(SignalError, match="packed by method LZMA"):
        read(path, "a.dat")
    path = pack(tmp_path / "b.zip", {"a.dat": CONTENT})
    content = bytearray(path.read_bytes())
    content[content.rfind(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(SignalError, match="encrypted"):
        read(path, "a.dat")


def test_a_place_behind_the_end_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": CONTENT})
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\1\2")
    content[at + 42 : at + 46] = b"\xfe\xff\xff\xff"
    path.write_bytes(content)
    with pytest.raises(SignalError, match="behind its end"):
        read(path, "a.dat")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for content in (b"one", b"two", b""):
            archive.writestr("t/a.dat", content)
        archive.writestr("t/A.dat", b"another file")
    with pytest.raises(SignalError, match="twice"):
        read(path, "a.dat")
    assert read(path, "A.dat") == b"another file"


@pytest.mark.parametrize("name", ["../a.hea", "t/../a.hea", "/a.hea", "t\\a.hea"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="pack it again with plain names"):
        ZipDirectory(str(pack(tmp_path / "a.zip", {name: b"", "b..c/d.hea": b""})))


def test_dots_in_a_name_are_fine(tmp_path: Path) -> None:
    assert read(pack(tmp_path / "a.zip", {"b..c/..d": b"x"}), "b..c/..d") == b"x"


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.9, 0.999])
def test_a_zip_that_is_cut_short_is_refused(tmp_path: Path, kept: float) -> None:
    path = pack(tmp_path / "a.zip", {f"{n}.dat": CONTENT for n in range(50)})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ConfigError, match="fetch the whole ZIP"):
        ZipDirectory(str(path))


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><title>Log in</title>"])
def test_what_was_saved_in_place_of_a_zip_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(ConfigError, match="is not a ZIP, although it is named like one: fetch it again"):
        require_zip(str(tmp_path / "a.zip"))


def test_a_part_of_a_split_zip_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": b"1"})
    change(path, b"PK\5\6\0\0", b"PK\5\6\2\0", last=True)
    with pytest.raises(ConfigError, match="last part of a split ZIP: join its parts first"):
        require_zip(str(path))


def test_a_zip_that_is_cut_short_after_its_directory_was_read_ends_no_process(tmp_path: Path) -> None:
    """A process that had mapped the file would die of SIGBUS."""
    path = pack(tmp_path / "a.zip", {f"{n}.dat": CONTENT for n in range(300)})
    directory = ZipDirectory(str(path))
    path.write_bytes(b"")
    assert directory.member("299.dat") is not None
    assert directory.alike("299.DAT") == "299.dat"


def test_a_damaged_directory_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"a.dat": b"1", "b.dat": b"2"})
    change(path, b"PK\1\2", b"PK\1\3", last=True)
    with pytest.raises(ConfigError, match="damaged central directory"):
        ZipDirectory(str(path))


def test_an_empty_zip_and_a_fifo_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="without files"):
        ZipDirectory(str(pack(tmp_path / "a.zip", {})))
    with zipfile.ZipFile(tmp_path / "folders.zip", "w") as archive:
        archive.writestr("a/", "")
    with pytest.raises(ConfigError, match="without files"):
        ZipDirectory(str(tmp_path / "folders.zip"))
    os.mkfifo(tmp_path / "fifo.zip")
    with pytest.raises(ConfigError, match="neither a folder nor a ZIP"):
        ZipDirectory(str(tmp_path / "fifo.zip"))
