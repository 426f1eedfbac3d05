"""What archives answer, and what becomes of it: rows for objects, failures with a remedy for everything else."""

import contextlib
import json
import socket
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from orthanc import Orthanc, free_port
from wfdb2dicom.archive.client import ArchiveError, LoginRefused, Unreachable, answer_of_status
from wfdb2dicom.archive.connect import connect
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.send import BatchTotals, send_batch
from wfdb2dicom.archive.sent_table import count_missing, resend_token
from wfdb2dicom.archive.settings import parse_archive
from wfdb2dicom.dicom.sop_classes import SOP_CLASSES
from wfdb2dicom.errors import ConfigError

from .conftest import Batch, address

MakeBatch = Callable[..., Batch]
USER = {"WFDB2DICOM_ARCHIVE_USER": "ward", "WFDB2DICOM_ARCHIVE_PASSWORD": "s3cret-word"}


def run(batch: Batch, archive: object, name: str = "", **environment: str) -> BatchTotals:
    """Send within this process, without waiting between tries; as a job of the run of this name."""
    place = parse_archive(archive)
    assert place is not None
    client = connect(place, Credentials.from_environment(environment))
    try:
        paths = batch.receipt, batch.table, batch.journals, str(batch.dcm_dir)
        return send_batch(*paths, place, client, token="t", run=name, waits=(0.0, 0.0))
    finally:
        client.close()


# --- A DICOMweb service that says what a test wants --------------------------------------------------------------


class Service(ThreadingHTTPServer):
    """Answers each POST by `answers`: called with the number of the request and the UIDs in it."""

    answers: Callable[[int, list[str]], tuple[int, Any]]
    uids: list[str]

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[list[str]] = []
        self.headers: list[dict[str, str]] = []

    def handle_error(self, *args: Any) -> None:
        """A client that goes away is expected."""

    @property
    def archive(self) -> dict[str, str]:
        return {"url": f"http://127.0.0.1:{self.server_address[1]}/dicom-web"}


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(404, {})  # a service that only takes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = [uid for uid in self.server.uids if uid.encode() in body]
        self.server.requests.append(found)
        self.server.headers.append(dict(self.headers))
        self._answer(*self.server.answers(len(self.server.requests), found))

    def _answer(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        if 300 <= code < 400:
            self.send_header("Location", "https://elsewhere.example.org/dicom-web/studies?ticket=1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def report(stored: list[str], failed: dict[str, int]) -> dict[str, Any]:
    """The body of a STOW-RS answer."""

    def items(uids: Any, extra: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        return {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}, **extra(uid)} for uid in uids]}

    return {
        "00081199": items(stored, lambda uid: {}),
        "00081198": items(failed, lambda uid: {"00081197": {"vr": "US", "Value": [failed[uid]]}}),
    }


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        server.answers = lambda number, uids: (200, report(uids, {}))
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def batch(make_batch: MakeBatch, service: Service) -> Batch:
    made = make_batch(4)
    service.uids = made.uids()
    return made


def test_the_word_of_an_archive_that_cannot_be_asked_is_not_called_confirmed(batch: Batch, service: Service) -> None:
    totals = run(batch, service.archive)
    assert totals.sent == 4 and "0 not taken, 4 accepted, not confirmed" in str(totals)
    assert batch.statuses() == ["accepted"] * 4
    assert {row.detail for row in batch.rows().values()} == {
        "accepted, not confirmed: the archive cannot be asked what it has"
    }
    assert run(batch, service.archive).sent == 0
    assert len(service.requests) == 1


def test_a_request_is_that_of_the_conformance_statement(make_batch: MakeBatch, service: Service) -> None:
    batch = make_batch(40)
    service.uids = batch.uids()
    run(batch, service.archive)
    assert [len(uids) for uids in service.requests] == [32, 8]
    for headers in service.headers:
        assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"')
        assert headers["Accept"] == "application/dicom+json"


@pytest.mark.parametrize("code", [200, 202, 409])
def test_a_refused_object_is_its_own_row(batch: Batch, service: Service, code: int) -> None:
    bad, duplicate = batch.uids_in_order()[1], batch.uids_in_order()[2]
    failures = {bad: 0xA900, duplicate: 0x0111}
    service.answers = lambda number, uids: (code, report([u for u in uids if u not in failures], failures))
    summary = run(batch, service.archive)
    assert batch.statuses() == ["accepted", "refused", "present", "accepted"]
    assert batch.rows()["40000001"].detail == "the data set does not match its SOP class (status A900H)"
    assert count_missing(summary.counts) == 1
    assert resend_token(batch.table) != resend_token(batch.table), "tried again next time"
    service.answers = lambda number, uids: (200, report(uids, {}))
    run(batch, service.archive)
    assert service.requests[-1] == [bad]
    assert resend_token(batch.table) == "t"


@pytest.mark.parametrize("code", [400, 500])
def test_one_bad_object_does_not_take_its_neighbours_along(batch: Batch, service: Service, code: int) -> None:
    """Some services refuse a whole request for one object."""
    bad = batch.uids_in_order()[1]
    service.answers = lambda number, uids: (code, {}) if bad in uids else (200, report(uids, {}))
    run(batch, service.archive)
    assert batch.statuses() == ["accepted", "refused", "accepted", "accepted"]
    assert batch.rows()["40000001"].detail == f"the archive answers HTTP {code}"


def test_an_object_that_the_answer_does_not_mention_is_not_taken_for_stored(batch: Batch, service: Service) -> None:
    service.answers = lambda number, uids: (200, report(uids[1:], {}))
    run(batch, service.archive)
    assert batch.statuses().count("refused") == 1


def test_a_passing_trouble_is_waited_out(batch: Batch, service: Service) -> None:
    service.answers = lambda number, uids: (503, {}) if number < 3 else (200, report(uids, {}))
    assert run(batch, service.archive).sent == 4
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (401, "does not let us in (HTTP 401): set WFDB2DICOM_ARCHIVE_USER and WFDB2DICOM_ARCHIVE_PASSWORD, "),
        (403, "does not let us in (HTTP 403)"),
        (404, "takes no objects (HTTP 404): archive.url is not a STOW-RS service"),
        (301, "has moved to https://elsewhere.example.org/dicom-web/studies: correct the key"),
        (503, "is in trouble (HTTP 503): see the archive's own log; 0 of the 4 objects of batch 001-000 are there"),
        (500, "is in trouble (HTTP 500)"),
    ],
)
def test_what_no_object_is_to_blame_for_fails_the_job(batch: Batch, service: Service, code: int, words: str) -> None:
    service.answers = lambda number, uids: (code, {})
    with pytest.raises(ArchiveError) as failure:
        run(batch, service.archive)
    assert words in str(failure.value)
    assert "ticket" not in str(failure.value)
    assert not batch.table.exists()


def test_the_token_goes_into_the_header_and_a_netrc_is_left_alone(
    batch: Batch, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    run(batch, service.archive, WFDB2DICOM_ARCHIVE_TOKEN="abc.def")
    assert service.headers[0]["Authorization"] == "Bearer abc.def"
    batch.table.unlink()
    for journal in batch.journals.rglob("*.tsv"):
        journal.unlink()
    run(batch, service.archive)
    assert "Authorization" not in service.headers[1]


# --- A C-STORE provider that says what a test wants --------------------------------------------------------------


@contextmanager
def provider(answer: Callable[[str], int], **settings: Any) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Its configuration key archive, and the user identities that it was shown."""
    identities: list[Any] = []

    def on_store(event: Any) -> Any:
        status = Dataset()
        status.Status = answer(str(event.request.AffectedSOPInstanceUID))
        status.ErrorComment = "as the test wants"
        return status

    def on_identity(event: Any) -> tuple[bool, None]:
        identities.append((event.user_id_type, event.primary_field, event.secondary_field))
        return True, None

    entity = AE("PROVIDER")
    for sop_class in SOP_CLASSES:
        entity.add_supported_context(sop_class.uid)
    for name, value in settings.items():
        setattr(entity, name, value)
    handlers = [(evt.EVT_C_STORE, on_store), (evt.EVT_USER_ID, on_identity)]
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        yield {"host": "127.0.0.1", "port": port, "aet": "PROVIDER"}, identities
    finally:
        server.shutdown()


def test_cstore_statuses_become_rows(make_batch: MakeBatch) -> None:
    batch = make_batch(4)
    codes = dict(zip(batch.uids_in_order(), (0x0000, 0xC001, 0x0111, 0xB007), strict=True))
    with provider(codes.__getitem__) as (archive, _):
        run(batch, archive)
    assert batch.statuses() == ["accepted", "refused", "present", "accepted"]
    assert batch.rows()["40000001"].detail == "the archive cannot understand it (status C001H) as the test wants"


def test_an_archive_out_of_resources_fails_the_job_and_keeps_what_it_took(make_batch: MakeBatch) -> None:
    batch = make_batch(4)
    last = batch.uids_in_order()[-1]
    words = r"out of resources \(status A700H\).*3 of the 4 objects"
    with provider(lambda uid: 0xA700 if uid == last else 0) as (archive, _), pytest.raises(ArchiveError, match=words):
        run(batch, archive)
    (journal,) = batch.journals.rglob("*.tsv")
    assert len(journal.read_text().splitlines()) == 4, "a marker and three objects"


def test_a_class_that_the_archive_does_not_take_is_the_objects_refusal(make_batch: MakeBatch) -> None:
    batch = make_batch(2)
    entity = AE("PROVIDER")
    entity.add_supported_context("1.2.840.10008.5.1.4.1.1.9.1.3")
    port = free_port()
    server = entity.start_server(("127.0.0.1", port), block=False)
    try:
        run(batch, {"host": "127.0.0.1", "port": port, "aet": "PROVIDER"})
    finally:
        server.shutdown()
    assert batch.statuses() == ["refused"] * 2
    assert batch.rows()["40000000"].detail == (
        "the archive accepts 12-lead ECG Waveform Storage (1.2.840.10008.5.1.4.1.1.9.1.1) neither in Explicit VR "
        "Little Endian nor Implicit VR Little Endian"
    )


def test_a_wrong_title_is_named(make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    with provider(lambda uid: 0, require_called_aet=True) as (archive, _):
        with pytest.raises(
            ArchiveError, match=r"rejects the association \(Called AE title not recognised\).*archive\.aet"
        ):
            run(batch, archive | {"aet": "WRONG"})
        assert run(batch, archive).sent == 1


def test_a_rejected_association_stops_the_other_jobs_of_the_run(make_batch: MakeBatch) -> None:
    """Archives reject users whom they do not know; the next run tries again."""
    batch = make_batch(1)
    with provider(lambda uid: 0, require_called_aet=True) as (archive, _):
        for words in (r"WRONG@\S+ rejects the association", "not tried, since the archive refused the log-in"):
            with pytest.raises(LoginRefused, match=f"^{words}"):
                run(batch, archive | {"aet": "WRONG"}, name="a run")
        assert run(batch, archive, name="the next run").sent == 1


def test_a_dicom_user_is_shown_to_the_archive(make_batch: MakeBatch) -> None:
    batch = make_batch(1)
    with provider(lambda uid: 0) as (archive, identities):
        run(batch, archive, **USER)
        batch.convert(["2"])
        run(batch, archive, WFDB2DICOM_ARCHIVE_TOKEN="jwt")
    assert identities == [(2, b"ward", b"s3cret-word"), (5, b"jwt", b"")]


# --- Orthanc: who may, and whether it is the right one ------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["stow", "cstore"])
def test_a_wrong_port_is_the_jobs_failure(make_batch: MakeBatch, protocol: str) -> None:
    batch, port = make_batch(1), free_port()
    stow = {"url": f"http://127.0.0.1:{port}/dicom-web"}
    archive = stow if protocol == "stow" else {"host": "127.0.0.1", "port": port, "aet": "X"}
    with pytest.raises(ArchiveError, match=r"does not answer \(.*Connection refused\): check archive\.(url|host)"):
        run(batch, archive)


def test_only_the_right_password_lets_in_and_none_is_repeated(make_batch: MakeBatch, tmp_path: Path) -> None:
    batch = make_batch(2)
    with Orthanc(tmp_path / "closed", user="ward", password="s3cret-word") as archive:
        for environment in ({}, USER | {"WFDB2DICOM_ARCHIVE_PASSWORD": "wr0ng-word"}):
            done = batch.send(address(archive, "stow"), **environment)
            assert done.returncode == 1
            assert "does not let us in (HTTP 401): set WFDB2DICOM_ARCHIVE_USER" in done.stderr
            assert "Traceback" not in done.stderr and "wr0ng" not in done.stderr + done.stdout
        done = batch.send(address(archive, "stow"), **USER)
        assert done.returncode == 0, done.stderr
        assert archive.instances() == batch.uids()
    kept = b"".join(path.read_bytes() for path in batch.folder.rglob("*") if path.is_file() and path.suffix == ".tsv")
    assert b"s3cret" not in kept and "s3cret" not in done.stdout + done.stderr


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate of 127.0.0.1 with its key, in one PEM file."""
    pem, key = tmp_path / "own.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(pem)]
    subprocess.run(command, check=True, capture_output=True)
    assert ssl.create_default_context(cafile=str(pem))
    (tmp_path / "both.pem").write_text(key.read_text() + pem.read_text())
    return tmp_path / "both.pem"


@contextmanager
def https(port: int, certificate: Path) -> Iterator[str]:
    """An encrypted way to a port of this machine, as a web server in front of an archive gives it.

    Debian 12's own Orthanc dies of a segmentation fault at the first HTTPS request (SslEnabled).
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    class Tunnel(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with (
                contextlib.suppress(OSError),  # the other side does not like our certificate
                context.wrap_socket(self.request, server_side=True) as outside,
                socket.create_connection(("127.0.0.1", port)) as inside,
            ):
                back = threading.Thread(target=copy, args=(inside, outside))
                back.start()
                copy(outside, inside)
                inside.shutdown(socket.SHUT_WR)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Tunnel) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"https://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on all that comes until its end."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)


def test_https_wants_a_certificate_that_someone_vouches_for(
    make_batch: MakeBatch, orthanc: Orthanc, certificate: Path
) -> None:
    batch, own = make_batch(2), certificate.with_name("own.pem")
    with https(orthanc.http_port, certificate) as url:
        archive = json.dumps({"url": f"{url}/dicom-web"})
        refused = batch.send(archive)
        assert refused.returncode == 1
        assert "certificate verify failed" in refused.stderr and "REQUESTS_CA_BUNDLE" in refused.stderr
        assert "Traceback" not in refused.stderr
        named = batch.send(archive.replace("127.0.0.1", "localhost"), REQUESTS_CA_BUNDLE=str(own))
        assert named.returncode == 1 and "Hostname mismatch" in named.stderr
        assert orthanc.instances() == []
        done = batch.send(archive, REQUESTS_CA_BUNDLE=str(own))
        assert done.returncode == 0, done.stderr
        assert orthanc.instances() == batch.uids()


def test_cstore_within_tls_wants_the_same(make_batch: MakeBatch, tmp_path: Path, certificate: Path) -> None:
    batch, own = make_batch(2), certificate.with_name("own.pem")
    options = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(own),
        "DicomTlsPrivateKey": str(certificate.with_name("key.pem")),
        "DicomTlsTrustedCertificates": str(own),
        "DicomTlsRemoteCertificateRequired": False,
    }
    with Orthanc(tmp_path / "tls", **options) as archive:
        tls = json.dumps(json.loads(address(archive, "cstore")) | {"tls": True})
        refused = batch.send(tls)
        assert refused.returncode == 1
        assert "is not accepted (self-signed certificate)" in refused.stderr and "REQUESTS_CA_BUNDLE" in refused.stderr
        done = batch.send(tls, REQUESTS_CA_BUNDLE=str(own))
        assert done.returncode == 0, done.stderr
        assert archive.instances() == batch.uids()
        batch.convert(["2", "2"])
        clear = batch.send(address(archive, "cstore"))
        assert clear.returncode == 1 and "archive.tls where it wants TLS" in clear.stderr


# --- Configuration and environment --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("https://archive.example.org", "archive: str instead of a mapping"),
        ({"url": "archive.example.org"}, "archive.url: not an address such as https://"),
        ({"url": "ftp://archive.example.org"}, "archive.url: not an address such as https://"),
        ({"url": "https://archive.example.org:x/"}, "archive.url: not an address such as https://"),
        ({"url": "https://ward:s3cret@archive.example.org"}, "archive.url: holds a user or password"),
        ({"url": "https://archive.example.org?key=s3cret"}, "archive.url: ends in ?"),
        ({"url": "https://archive.example.org/studies"}, "archive.url: ends in /studies"),
        ({"url": "https://a.org", "password": "s3cret"}, "archive.password: no credentials in a configuration"),
        ({"url": "https://a.org", "prot": "s3cret"}, "archive: prot is not a key here"),
        (
            {"url": "https://a.org", "host": "b", "port": 1, "aet": "c"},
            "archive: url is not a key here, or not together",
        ),
        ({"host": "a.org", "port": 104}, "archive.aet: missing"),
        ({"host": "a.org", "port": 0, "aet": "A"}, "archive.port: 0 is not a port"),
        ({"host": "a.org", "port": 104, "aet": "A" * 17}, "archive.aet: "),
        ({"host": "a.org", "port": 104, "aet": "A", "tls": "maybe"}, "archive.tls: 'maybe' is neither true nor false"),
    ],
)
def test_a_wrong_setting_is_named_and_no_secret_repeated(setting: object, words: str) -> None:
    with pytest.raises(ConfigError) as failure:
        parse_archive(setting)
    assert words in str(failure.value)
    assert "s3cret" not in str(failure.value)


def test_settings_of_the_command_line_are_text() -> None:
    """Snakemake's --config archive='{…}' leaves numbers and truth values as text."""
    archive = parse_archive({"host": "a.org", "port": "104", "aet": "A", "tls": "true"})
    assert str(archive) == "A@a.org:104 (TLS)"
    assert parse_archive({}) is None and parse_archive(None) is None
    assert str(parse_archive({"url": "https://a.org/dicom-web/"})) == "https://a.org/dicom-web"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"USER": "u"}, "WFDB2DICOM_ARCHIVE_USER is set and WFDB2DICOM_ARCHIVE_PASSWORD is not"),
        ({"PASSWORD": "s3cret"}, "WFDB2DICOM_ARCHIVE_PASSWORD is set and WFDB2DICOM_ARCHIVE_USER is not"),
        ({"USER": "u", "PASSWORD": "s3cret", "TOKEN": "s3cret"}, "are set: unset the one that is not meant"),
        ({"KEY": "k"}, "WFDB2DICOM_ARCHIVE_KEY is set and WFDB2DICOM_ARCHIVE_CERT is not"),
        ({"CERT": "/nowhere/cert.pem"}, "WFDB2DICOM_ARCHIVE_CERT: /nowhere/cert.pem is not a file"),
    ],
)
def test_contradictory_credentials_are_refused(environment: dict[str, str], words: str) -> None:
    with pytest.raises(ArchiveError) as failure:
        Credentials.from_environment({f"WFDB2DICOM_ARCHIVE_{name}": value for name, value in environment.items()})
    assert words in str(failure.value)
    assert "s3cret" not in str(failure.value)


def test_credentials_do_not_show() -> None:
    credentials = Credentials.from_environment(USER)
    assert credentials and "s3cret" not in repr(credentials) + str(credentials)


def test_every_known_status_has_words() -> None:
    assert answer_of_status(0).status == answer_of_status(0xB000).status == "taken"
    assert answer_of_status(0x0111).status == "present"
    assert answer_of_status(0x0122).detail == "the archive does not take this SOP class (status 0122H)"
    assert answer_of_status(0x0999).detail == "refused (status 0999H)"


@pytest.mark.parametrize(
    "code", [0x0110, 0x0117, 0x0124, 0xA703, 0xA770, 0xA777, 0xA7FF, 0xA900, 0xC000, 0xC122, 0xCFFF]
)
def test_a_failure_is_the_objects_refusal(code: int) -> None:
    answer = answer_of_status(code, "its words")
    assert answer.status == "refused"
    assert answer.detail.endswith(f"(status {code:04X}H) its words")


@pytest.mark.parametrize("code", [0x0213, 0xA700, 0xA701, 0xA702])
def test_out_of_resources_is_not_about_the_object(code: int) -> None:
    with pytest.raises(Unreachable, match=rf"out of resources \(status {code:04X}H\)"):
        answer_of_status(code)
