"""What an archive acknowledged is confirmed where it can be asked; odd archives, expired tokens, refused log-ins."""

import json
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind

from orthanc import Orthanc, free_port
from wfdb2dicom import convert_record
from wfdb2dicom.acquisition import Acquisition
from wfdb2dicom.archive.client import ArchiveError, DicomObject
from wfdb2dicom.archive.connect import connect
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.cstore import CStoreClient
from wfdb2dicom.archive.send import BatchTotals, send_batch
from wfdb2dicom.archive.settings import DimseArchive, parse_archive
from wfdb2dicom.dicom.options import Options
from wfdb2dicom.dicom.sop_classes import SOP_CLASSES
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

from .conftest import Batch, address, clean_environment

MakeBatch = Callable[..., Batch]
WHO = Acquisition(subject_id="10000032")


def send(batch: Batch, archive: object, **environment: str) -> BatchTotals:
    """Send within this process, without waiting between tries."""
    place = parse_archive(archive)
    assert place is not None
    client = connect(place, Credentials.from_environment(environment))
    try:
        return send_batch(
            batch.receipt, batch.table, batch.journals, str(batch.dcm_dir), place, client, waits=(0.0, 0.0)
        )
    finally:
        client.close()


# --- C-STORE and C-FIND ---------------------------------------------------------------------------------------------


class Provider:
    """An archive that takes C-STORE; what it keeps, and what it answers, the test says.

    Attributes
    ----------
    kept : dict of str to Dataset
        The objects by SOP Instance UID, as they arrived.
    syntaxes : set of str
        Transfer syntaxes that objects arrived in.
    queries : list of int
        The number of SOP Instance UIDs in each query.
    requestors : list of ServiceUser
        What each association asked for.
    """

    def __init__(self, *, syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)) -> None:
        self.kept: dict[str, Dataset] = {}
        self.syntaxes: set[str] = set()
        self.queries: list[int] = []
        self.requestors: list[Any] = []
        self.received = 0
        self.comment = ""
        self.drops: Callable[[int], bool] = lambda number: False
        self.status: Callable[[str], int] = lambda uid: 0
        self.find: Callable[[Dataset], Iterator[tuple[int, Dataset | None]]] | None = None
        self._offered = syntaxes

    def relational(self, query: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        """Answers a list of UIDs at the level of instances."""
        wanted = query["SOPInstanceUID"].value
        for uid in [wanted] if isinstance(wanted, str) else wanted:
            if uid in self.kept:
                yield 0xFF00, self._match(uid)

    def hierarchical(self, query: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        """Insists on one study and one series, as PS3.4 C.4.1.2.2.1 lets it."""
        if not query.StudyInstanceUID or not query.SeriesInstanceUID:
            yield 0xA900, None
        else:
            kept = self.kept.get(str(query.SOPInstanceUID))
            if kept is not None and kept.StudyInstanceUID == query.StudyInstanceUID:
                yield 0xFF00, self._match(str(query.SOPInstanceUID))

    @staticmethod
    def _match(uid: str) -> Dataset:
        match = Dataset()
        match.QueryRetrieveLevel = "IMAGE"
        match.SOPInstanceUID = uid
        return match

    def _on_association(self, event: Any) -> None:
        self.requestors.append(event.assoc.requestor)

    def _on_store(self, event: Any) -> Dataset:
        uid = str(event.request.AffectedSOPInstanceUID)
        self.received += 1
        self.syntaxes.add(str(event.context.transfer_syntax))
        status = self.status(uid)
        if status == 0 and not self.drops(self.received):
            self.kept[uid] = event.dataset
        answer = Dataset()
        answer.Status, answer.ErrorComment = status, self.comment
        return answer

    def _on_find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        wanted = event.identifier["SOPInstanceUID"].value
        self.queries.append(1 if isinstance(wanted, str) else len(wanted))
        assert self.find is not None
        yield from self.find(event.identifier)

    @contextmanager
    def serve(self) -> Iterator[dict[str, Any]]:
        """Runs it; yields its configuration key archive."""
        entity = AE("PROVIDER")
        for sop_class in SOP_CLASSES:
            entity.add_supported_context(sop_class.uid, list(self._offered))
        handlers: list[Any] = [(evt.EVT_C_STORE, self._on_store), (evt.EVT_ACCEPTED, self._on_association)]
        if self.find is not None:
            entity.add_supported_context(StudyRootFind, list(self._offered))
            handlers.append((evt.EVT_C_FIND, self._on_find))
        port = free_port()
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        try:
            yield {"host": "127.0.0.1", "port": port, "aet": "PROVIDER"}
        finally:
            server.shutdown()


def test_an_archive_of_implicit_vr_only_gets_the_same_values(make_batch: MakeBatch) -> None:
    batch, provider = make_batch(3), Provider(syntaxes=(ImplicitVRLittleEndian,))
    with provider.serve() as archive:
        assert send(batch, archive).sent == 3
    assert provider.syntaxes == {ImplicitVRLittleEndian}
    for uid, path in batch.objects():
        ours = dcmread(path)
        assert provider.kept[uid] == Dataset(ours)
        assert provider.kept[uid].WaveformSequence[0].WaveformData == ours.WaveformSequence[0].WaveformData


def test_objects_of_every_class_arrive_in_implicit_vr(make_batch: MakeBatch, tmp_path: Path) -> None:
    batch, provider = make_batch(1), Provider(syntaxes=(ImplicitVRLittleEndian,))
    files = {sop_class.uid: tmp_path / f"{sop_class.name}.dcm" for sop_class in SOP_CLASSES}
    objects = []
    for uid, path in files.items():
        done = convert_record(batch.folder / "wfdb" / "40000000", path, WHO, Options(sop_class=path.stem))
        objects.append(DicomObject(done.sop_instance_uid, uid, path.read_bytes()))
    with provider.serve() as archive:
        client = CStoreClient(DimseArchive(archive["host"], archive["port"], archive["aet"]), Credentials())
        assert [answer.status for _, answer in client.send(objects)] == ["taken"] * 4
        client.close()
    assert provider.syntaxes == {ImplicitVRLittleEndian}
    for item in objects:
        assert provider.kept[item.sop_instance_uid] == Dataset(dcmread(files[item.sop_class_uid]))


def test_an_association_asks_for_what_the_conformance_statement_says(make_batch: MakeBatch, project: Path) -> None:
    provider = Provider()
    provider.find = provider.relational
    with provider.serve() as archive:
        send(make_batch(1), archive)
    (requestor,) = provider.requestors
    classes = [*(sop_class.uid for sop_class in SOP_CLASSES), StudyRootFind]
    offered = [(context.abstract_syntax, *context.transfer_syntax) for context in requestor.requested_contexts]
    assert sorted(offered) == sorted(product(classes, (ExplicitVRLittleEndian, ImplicitVRLittleEndian)))
    assert requestor.ae_title == "WFDB2DICOM"
    assert requestor.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert requestor.implementation_version_name == IMPLEMENTATION_VERSION_NAME
    assert (requestor.role_selection, requestor.asynchronous_operations) == ({}, (1, 1))
    assert requestor.user_identity is None
    statement = (project / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert f"Maximum PDU size offered: {requestor.maximum_length:,} bytes" in statement
    assert StudyRootFind in statement and IMPLEMENTATION_CLASS_UID in statement


def test_explicit_vr_is_sent_where_the_archive_takes_both(make_batch: MakeBatch) -> None:
    provider = Provider(syntaxes=(ImplicitVRLittleEndian, ExplicitVRLittleEndian))
    with provider.serve() as archive:
        send(make_batch(1), archive)
    assert provider.syntaxes == {ExplicitVRLittleEndian}


@pytest.mark.parametrize("kind", ["relational", "hierarchical"])
def test_what_an_archive_acknowledged_and_dropped_is_not_called_stored(make_batch: MakeBatch, kind: str) -> None:
    """Every seventh object; the second run sends those again and nothing else."""
    batch, provider = make_batch(40), Provider()
    provider.find = getattr(provider, kind)
    provider.drops = lambda number: number % 7 == 0
    with provider.serve() as archive:
        first = send(batch, archive)
        dropped = [uid for uid in batch.uids_in_order() if uid not in provider.kept]
        assert len(dropped) == 5
        assert [row.sop_instance_uid for row in batch.rows().values() if row.status == "unconfirmed"] == dropped
        assert batch.statuses().count("stored") == 35 and first.sent == 35
        provider.drops = lambda number: False
        second = send(batch, archive)
    assert provider.received == 45
    assert second.sent == 5 and batch.statuses() == ["stored"] * 40


def test_an_object_that_is_listed_late_is_stored(make_batch: MakeBatch) -> None:
    """Of the first chunk, and listed when the second has been sent."""
    batch, provider = make_batch(40), Provider()
    late, asked = batch.uids_in_order()[0], []

    def find(query: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        asked.append(str(query.SOPInstanceUID))
        if asked[-1] != late or asked.count(late) > 2:
            yield from provider.hierarchical(query)

    provider.find = find
    with provider.serve() as archive:
        send(batch, archive)
    assert batch.statuses() == ["stored"] * 40


def test_one_query_asks_for_many_objects_where_the_archive_understands_that(make_batch: MakeBatch) -> None:
    batch, provider = make_batch(40), Provider()
    provider.find = provider.relational
    with provider.serve() as archive:
        send(batch, archive)
    assert provider.queries == [32, 32, 8, 8], "before and after each chunk"


def test_an_archive_that_accepts_queries_and_fails_them_is_not_asked_again(make_batch: MakeBatch) -> None:
    batch, provider = make_batch(40), Provider()

    def find(query: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xC000, None

    provider.find = find
    with provider.serve() as archive:
        totals = send(batch, archive)
    assert batch.statuses() == ["accepted"] * 40
    assert "40 accepted, not confirmed" in str(totals)
    assert provider.received == 40 and len(provider.queries) <= 3


def test_an_orthanc_that_lets_us_store_and_not_ask_is_not_called_confirmed(
    make_batch: MakeBatch, tmp_path: Path
) -> None:
    batch = make_batch(3)
    with Orthanc(tmp_path / "orthanc", DicomAlwaysAllowFind=False) as archive:
        done = batch.send(address(archive, "cstore"))
        assert done.returncode == 0, done.stderr
        assert archive.instances() == batch.uids()
    assert batch.statuses() == ["accepted"] * 3
    summary = [sys.executable, str(batch.scripts / "wfdb2dicom"), "send", "summary", str(batch.folder / "summary.json")]
    total = subprocess.run([*summary, str(batch.table)], capture_output=True, text=True)
    assert total.stdout.splitlines() == [
        "store: 0 of 3 objects are in the archive",
        "store: 3 accepted, not confirmed: the archive cannot be asked what it has",
    ]
    assert json.loads((batch.folder / "summary.json").read_text()) == {"accepted": 3}


def test_an_object_refused_for_its_patient_id_does_not_stop_the_others(make_batch: MakeBatch) -> None:
    """As dcm4chee-arc answers without Issuer of Patient ID."""
    batch, provider = make_batch(4), Provider()
    bad = batch.uids_in_order()[1]
    provider.find, provider.status = provider.relational, lambda uid: 0xA777 if uid == bad else 0
    with provider.serve() as archive:
        send(batch, archive)
    assert batch.statuses() == ["stored", "refused", "stored", "stored"]
    assert batch.rows()["40000001"].detail == "refused (status A777H)"


def test_a_refused_syntax_is_named_for_each_object(make_batch: MakeBatch) -> None:
    batch, provider = make_batch(2), Provider(syntaxes=("1.2.840.10008.1.2.2",))  # big endian only
    with provider.serve() as archive:
        send(batch, archive)
    for row in batch.rows().values():
        assert row.status == "refused"
        assert "12-lead ECG Waveform Storage (1.2.840.10008.5.1.4.1.1.9.1.1)" in row.detail
        assert "Explicit VR Little Endian nor Implicit VR Little Endian" in row.detail
        assert "127.0.0.1" not in row.detail


# --- STOW-RS and QIDO-RS --------------------------------------------------------------------------------------------


class Dicomweb(ThreadingHTTPServer):
    """A DICOMweb service that keeps what it is sent.

    Attributes
    ----------
    uids : list of str
        The objects that may come.
    kept : list of str
        Those that came, each as often as it did.
    authorize : callable
        Of the value of the header Authorization, for each request.
    lists : bool
        Whether a search understands lists of UIDs.
    """

    def __init__(self, uids: list[str]) -> None:
        super().__init__(("127.0.0.1", 0), _DicomwebHandler)
        self.uids, self.kept, self.refused = uids, [], 0
        self.authorize: Callable[[str], bool] = lambda header: True
        self.lists = True

    def handle_error(self, *args: Any) -> None:
        """A client that goes away is expected."""

    @property
    def archive(self) -> dict[str, str]:
        return {"url": f"http://127.0.0.1:{self.server_address[1]}/dicom-web"}


class _DicomwebHandler(BaseHTTPRequestHandler):
    server: Dicomweb
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self._let_in():
            wanted = parse_qs(urlsplit(self.path).query)["SOPInstanceUID"][0].split(",")
            listed = [uid for uid in wanted if uid in self.server.kept]
            if len(wanted) > 1 and not self.server.lists:
                listed = []
            self._answer(200, [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in listed])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self._let_in():
            found = [uid for uid in self.server.uids if uid.encode() in body]
            self.server.kept += found
            items = [{"00081155": {"vr": "UI", "Value": [uid]}} for uid in found]
            self._answer(200, {"00081199": {"vr": "SQ", "Value": items}})

    def _let_in(self) -> bool:
        if self.server.authorize(self.headers.get("Authorization", "")):
            return True
        self.server.refused += 1
        self._answer(401, {})
        return False

    def _answer(self, code: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def dicomweb(batch: Batch) -> AbstractContextManager[Dicomweb]:
    return serve(batch.uids())


@contextmanager
def serve(uids: list[str]) -> Iterator[Dicomweb]:
    """A DICOMweb service that these objects may come to."""
    with Dicomweb(uids) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_proxy_without_lists_of_uids_is_asked_for_each_object(make_batch: MakeBatch) -> None:
    batch = make_batch(11)
    with dicomweb(batch) as server:
        server.lists = False
        assert send(batch, server.archive).sent == 11
        assert batch.statuses() == ["stored"] * 11
        assert sorted(server.kept) == batch.uids()


def test_objects_on_their_way_when_a_run_was_killed_are_found_behind_such_a_proxy_too(make_batch: MakeBatch) -> None:
    batch = make_batch(11)
    with dicomweb(batch) as server:
        server.lists = False
        send(batch, server.archive)
        (journal,) = batch.journals.rglob("*.tsv")
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:4]))  # and killed then
        assert send(batch, server.archive).sent == 0
        assert sorted(server.kept) == batch.uids()
    assert sorted(batch.statuses()) == ["present"] * 8 + ["stored"] * 3


@pytest.fixture
def token_command(tmp_path: Path) -> tuple[str, Path]:
    """A program that prints token-1, token-2 …, and the file that holds how many it has printed."""
    counter, program = tmp_path / "count", tmp_path / "token.py"
    counter.write_text("0")
    program.write_text(
        f"from pathlib import Path\nfile = Path({str(counter)!r})\nnumber = int(file.read_text()) + 1\n"
        "file.write_text(str(number))\nprint(f'token-{number}')\n"
    )
    return f"{sys.executable} {program}", counter


def test_a_run_survives_tokens_that_expire(make_batch: MakeBatch, token_command: tuple[str, Path]) -> None:
    """Nothing is lost and nothing is sent twice, though each token is good for three requests."""
    batch, (command, counter) = make_batch(150), token_command
    uses: dict[str, int] = {}

    def authorize(header: str) -> bool:
        uses[header] = uses.get(header, 0) + 1
        return header == f"Bearer token-{counter.read_text()}" and uses[header] <= 3

    with dicomweb(batch) as server:
        server.authorize = authorize
        totals = send(batch, server.archive, WFDB2DICOM_ARCHIVE_TOKEN_COMMAND=command)
        assert sorted(server.kept) == batch.uids()
    assert totals.sent == 150 and set(batch.statuses()) == {"stored"}
    assert int(counter.read_text()) > 3


def test_a_new_token_that_is_refused_too_is_the_end(make_batch: MakeBatch, token_command: tuple[str, Path]) -> None:
    batch, (command, counter) = make_batch(4), token_command
    with dicomweb(batch) as server:
        server.authorize = lambda header: False
        with pytest.raises(ArchiveError, match="WFDB2DICOM_ARCHIVE_TOKEN_COMMAND, to those of an account") as failure:
            send(batch, server.archive, WFDB2DICOM_ARCHIVE_TOKEN_COMMAND=command)
        assert server.refused == 2 and counter.read_text() == "2"
    assert "token-" not in str(failure.value)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('two words')", "did not print a token"),
        ("pass", "did not print a token"),
        ("print('s3cret'); raise SystemExit(3)", "ended with exit status 3"),
    ],
)
def test_a_token_command_that_prints_no_token_is_named(
    make_batch: MakeBatch, tmp_path: Path, program: str, words: str
) -> None:
    (tmp_path / "token.py").write_text(program)
    batch = make_batch(1)
    with dicomweb(batch) as server, pytest.raises(ArchiveError, match=words) as failure:
        send(batch, server.archive, WFDB2DICOM_ARCHIVE_TOKEN_COMMAND=f"{sys.executable} {tmp_path}/token.py")
    assert "s3cret" not in str(failure.value)
    with pytest.raises(ArchiveError, match=r"TOKEN_COMMAND cannot be run \(No such file or directory\)"):
        Credentials(token_command="/nowhere/token").bearer_token()


def test_a_refused_log_in_stops_all_jobs_of_the_run(make_batch: MakeBatch) -> None:
    """Eight jobs at once and one attempt; the next run, whose password is right, begins anew."""
    batch = make_batch(4)
    environment = clean_environment() | {"WFDB2DICOM_ARCHIVE_USER": "ward", "WFDB2DICOM_ARCHIVE_PASSWORD": "wr0ng"}
    with dicomweb(batch) as server:
        server.authorize = lambda header: header == f"Basic {b64encode(b'ward:right').decode()}"
        jobs = []
        for number in range(8):
            command = batch.command(json.dumps(server.archive))
            receipt = batch.receipt.with_name(f"{number}.tsv")
            receipt.write_bytes(batch.receipt.read_bytes())
            command[-2:] = [str(receipt), str(batch.table.with_name(receipt.name))]
            jobs.append(subprocess.Popen([*command, "--run=first"], env=environment, stderr=subprocess.PIPE, text=True))
        errors = [job.communicate(timeout=120)[1] for job in jobs]
        assert [job.returncode for job in jobs] == [1] * 8
        assert server.refused == 1
        assert sum("not tried, since the archive refused the log-in of another job" in words for words in errors) == 7
        assert all("does not let us in (HTTP 401)" in words and "wr0ng" not in words for words in errors)
        environment["WFDB2DICOM_ARCHIVE_PASSWORD"] = "right"
        done = subprocess.run([*batch.command(json.dumps(server.archive)), "--run=second"], env=environment)
        assert done.returncode == 0
        assert sorted(server.kept) == batch.uids()


def test_words_of_an_archive_cannot_steer_a_terminal_or_break_a_table(make_batch: MakeBatch) -> None:
    batch, provider = make_batch(1), Provider()
    provider.status = lambda uid: 0xC001
    provider.comment = "\x1b[2Jno\tsuch"
    with provider.serve() as archive:
        send(batch, archive)
    assert batch.rows()["40000000"].detail == "the archive cannot understand it (status C001H) \\x1b[2Jno such"


def test_an_object_can_be_read_after_its_syntax_was_changed(make_batch: MakeBatch) -> None:
    """What arrives in Implicit VR is written and read again with the same samples."""
    batch, provider = make_batch(1), Provider(syntaxes=(ImplicitVRLittleEndian,))
    with provider.serve() as archive:
        send(batch, archive)
    (kept,) = provider.kept.values()
    content = BytesIO()
    kept.save_as(content, implicit_vr=True, little_endian=True)
    again = dcmread(BytesIO(content.getvalue()), force=True)
    (path,) = [path for _, path in batch.objects()]
    assert again.WaveformSequence[0].WaveformData == dcmread(path).WaveformSequence[0].WaveformData
