"""A real archive: Orthanc with its DICOMweb plugin takes the objects by every way in and gives them back unchanged."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pytest

from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import from_row

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
HINT = "Debian: apt-get install orthanc orthanc-dicomweb"


@dataclass
class Archive:
    """A running Orthanc."""

    rest: str
    dicom_port: int

    def call(self, path: str, body: bytes | None = None, **headers: str) -> tuple[bytes, str]:
        """Body and content type of an answer; POST where there is a body."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.rest + path, data=body, headers=names)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read(), answer.headers.get("Content-Type", "")

    def json(self, path: str, body: bytes | None = None, **headers: str) -> Any:
        return json.loads(self.call(path, body, Accept="application/json", **headers)[0] or b"[]")

    def instances(self) -> int:
        return int(self.json("/statistics")["CountInstances"])

    def file(self, instance: str) -> bytes:
        return self.call(f"/instances/{instance}/file")[0]

    def find(self, uid: str) -> str:
        """Orthanc's own name of the instance of a SOP Instance UID."""
        (found,) = self.json("/tools/lookup", uid.encode())
        return str(found["ID"])


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An empty archive on loopback, in a folder and on ports of its own."""
    program = shutil.which("Orthanc") or shutil.which("Orthanc", path="/usr/sbin:/usr/local/sbin")
    if program is None or not PLUGIN.exists():
        pytest.skip(f"no Orthanc with its DICOMweb plugin. {HINT}")
    http, dicom = free_ports(2)
    settings = {
        "Name": "wfdb2dicom test",
        "StorageDirectory": str(tmp_path / "storage"),
        "IndexDirectory": str(tmp_path / "storage"),
        "HttpPort": http,
        "DicomPort": dicom,
        "DicomAet": "ARCHIVE",
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAlwaysAllowStore": True,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (tmp_path / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with open(tmp_path / "orthanc.log", "wb") as log:
        server = subprocess.Popen(
            [program, str(tmp_path / "orthanc.json")],
            stdout=log,
            stderr=log,
            cwd=tmp_path,
            env=os.environ | {"http_proxy": "", "https_proxy": ""},
        )
    found = Archive(f"http://127.0.0.1:{http}", dicom)
    try:
        for _ in range(300):
            if server.poll() is not None:
                pytest.fail(f"Orthanc ended: {(tmp_path / 'orthanc.log').read_text(errors='replace')[-2000:]}")
            try:
                found.call("/system")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        else:
            pytest.fail("Orthanc did not answer for 30 s")
        yield found
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def c_store(archive: Archive, paths: list[Path]) -> list[int]:
    """DIMSE status of each object."""
    from pynetdicom import AE

    entity = AE(ae_title="WFDB2DICOM")
    for uid in {pydicom.dcmread(path, stop_before_pixels=True).SOPClassUID for path in paths}:
        entity.add_requested_context(uid, "1.2.840.10008.1.2.1")
    association = entity.associate("127.0.0.1", archive.dicom_port, ae_title="ARCHIVE")
    assert association.is_established
    try:
        return [int(association.send_c_store(path).Status) for path in paths]
    finally:
        association.release()


def stow(archive: Archive, paths: list[Path]) -> Any:
    boundary = "wfdb2dicom"
    parts = [b"--wfdb2dicom\r\nContent-Type: application/dicom\r\n\r\n" + p.read_bytes() + b"\r\n" for p in paths]
    kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
    body = b"".join(parts) + b"--wfdb2dicom--\r\n"
    return archive.json("/dicom-web/studies", body, Content_Type=kind)


def data_set(content: bytes) -> bytes:
    """The bytes behind the file meta information, which a C-STORE does not carry."""
    return content[132 + 12 + int.from_bytes(content[140:144], "little") :]


def wado(archive: Archive, ds: pydicom.Dataset) -> bytes:
    path = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
    body, kind = archive.call(path, Accept='multipart/related; type="application/dicom"')
    boundary = kind.partition("boundary=")[2].partition(";")[0].strip('"').encode()
    part = body.split(b"--" + boundary)[1]
    return part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def test_c_store_keeps_the_data_set(archive: Archive, dicoms: dict[str, Path], offset_dicom: Path) -> None:
    paths = [*dicoms.values(), offset_dicom]
    assert c_store(archive, paths) == [0] * len(paths)
    assert archive.instances() == len(paths)
    for path in paths:
        uid = pydicom.dcmread(path).SOPInstanceUID
        assert data_set(archive.file(archive.find(uid))) == data_set(path.read_bytes())


def test_rest_keeps_every_byte(archive: Archive, dicoms: dict[str, Path]) -> None:
    for path in dicoms.values():
        answer = archive.json("/instances", path.read_bytes())
        assert answer["Status"] == "Success"
        assert archive.file(answer["ID"]) == path.read_bytes()


def test_stow_and_wado_keep_every_byte(archive: Archive, dicoms: dict[str, Path]) -> None:
    answer = stow(archive, list(dicoms.values()))
    assert len(answer["00081199"]["Value"]) == len(dicoms)
    assert not answer.get("00081198", {}).get("Value"), "Failed SOP Sequence"
    for path in dicoms.values():
        assert wado(archive, pydicom.dcmread(path)) == path.read_bytes()


def test_qido_finds_each_under_its_patient_study_and_modality(archive: Archive, dicoms: dict[str, Path]) -> None:
    stow(archive, list(dicoms.values()))
    for study_id, path in dicoms.items():
        ds = pydicom.dcmread(path)
        query = f"/dicom-web/studies?PatientID={ds.PatientID}&StudyID={study_id}&ModalitiesInStudy=ECG"
        (study,) = archive.json(query + "&includefield=StudyID")
        assert study["0020000D"]["Value"] == [ds.StudyInstanceUID]
        assert study["00080020"]["Value"] == [ds.StudyDate]
        (series,) = archive.json(f"/dicom-web/studies/{ds.StudyInstanceUID}/series?Modality=ECG")
        assert series["0020000E"]["Value"] == [ds.SeriesInstanceUID]
        (instance,) = archive.json(f"/dicom-web/studies/{ds.StudyInstanceUID}/instances")
        assert instance["00080018"]["Value"] == [ds.SOPInstanceUID]
        assert instance["00080016"]["Value"] == [ds.SOPClassUID]
    patients = {pydicom.dcmread(path).PatientID for path in dicoms.values()}
    assert archive.json("/statistics")["CountPatients"] == len(patients)


def test_sending_twice_stores_once(archive: Archive, dicoms: dict[str, Path]) -> None:
    paths = list(dicoms.values())[:3]
    assert c_store(archive, paths) == [0] * 3
    assert c_store(archive, paths) == [0] * 3
    assert archive.json("/instances", paths[0].read_bytes())["Status"] == "AlreadyStored"
    stow(archive, paths)
    assert archive.instances() == 3


def test_a_study_with_other_metadata_arrives_as_a_new_instance_of_the_same_study(
    archive: Archive, records: dict[str, Path], tmp_path: Path
) -> None:
    study_id, record = next(iter(records.items()))
    uids = []
    for number, cart in enumerate(("1000001", "1000002")):
        path = tmp_path / f"{number}.dcm"
        convert_record(record, path, from_row({"study_id": study_id, "cart_id": cart}))
        assert archive.json("/instances", path.read_bytes())["Status"] == "Success"
        ds = pydicom.dcmread(BytesIO(archive.file(archive.find(pydicom.dcmread(path).SOPInstanceUID))))
        assert ds.StationName == cart
        uids.append((ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID))
    assert uids[0][:2] == uids[1][:2]
    assert uids[0][2] != uids[1][2]
    assert archive.instances() == 2
    assert archive.json("/statistics")["CountStudies"] == 1
