"""A DICOM archive of one's own for a test: Debian's Orthanc with its DICOMweb plugin, on free ports of this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import requests

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def free_port() -> int:
    """A port that nothing listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Orthanc:
    """An Orthanc that runs within a ``with`` block.

    Parameters
    ----------
    folder : Path
        For its configuration, storage and log; an archive started again on the same folder keeps its objects.
    user, password : str
        Both empty for an archive that lets everyone in.
    options : dict
        More of Orthanc's configuration, such as ``LuaScripts``.

    Attributes
    ----------
    rest, dicomweb : str
        URLs of its REST API and of its DICOMweb service.
    http_port, dicom_port : int
    aet : str
        Its application entity title.
    """

    aet = "ORTHANC"

    def __init__(self, folder: Path, *, user: str = "", password: str = "", **options: Any) -> None:
        binary = shutil.which("Orthanc", path="/usr/sbin:/usr/bin:/usr/local/bin")
        if binary is None or not PLUGIN.exists():
            pytest.skip("no Orthanc with DICOMweb: apt-get install orthanc orthanc-dicomweb")
        self._binary = binary
        self._folder = folder
        self.auth = (user, password) if user else None
        self.http_port, self.dicom_port = free_port(), free_port()
        self.rest = f"http://127.0.0.1:{self.http_port}"
        self.dicomweb = f"{self.rest}/dicom-web"
        self.options = {
            "Name": "wfdb2dicom tests",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "DicomAet": self.aet,
            "DicomCheckCalledAet": False,
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": bool(user),
            "RegisteredUsers": {user: password} if user else {},
            "Plugins": [str(PLUGIN)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
            **options,
        }

    def __enter__(self) -> Orthanc:
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "orthanc.json"
        configuration.write_text(json.dumps(self.options))
        self._log = open(self._folder / "orthanc.log", "ab")  # closed by stop()
        self._process = subprocess.Popen(
            [self._binary, str(configuration)], stdout=self._log, stderr=subprocess.STDOUT, cwd=self._folder
        )
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, patience: float = 20) -> None:
        """End it, after so many seconds at the latest; what it holds stays in its folder."""
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            log = self._folder / "orthanc.log"
            ended = self._process.poll()
            assert ended is None, f"Orthanc ended with {ended}:\n{log.read_text()[-2000:]}"
            assert time.monotonic() < end, f"Orthanc does not answer:\n{log.read_text()[-2000:]}"
            try:
                self.get("/system")
                with socket.create_connection(("127.0.0.1", self.dicom_port), 1):
                    return
            except (requests.ConnectionError, OSError):
                time.sleep(0.05)

    def get(self, path: str) -> Any:
        """The answer of its REST API, decoded."""
        return self._get(path).json()

    def _get(self, path: str) -> requests.Response:
        answer = requests.get(self.rest + path, auth=self.auth, timeout=10)
        answer.raise_for_status()
        return answer

    def instances(self) -> list[str]:
        """The SOP Instance UID of every object that it holds."""
        return sorted(i["MainDicomTags"]["SOPInstanceUID"] for i in self.get("/instances?expand"))

    def file(self, sop_instance_uid: str) -> bytes:
        """An object as it stores it."""
        (found,) = [
            i["ID"] for i in self.get("/instances?expand") if i["MainDicomTags"]["SOPInstanceUID"] == sop_instance_uid
        ]
        return self._get(f"/instances/{found}/file").content
