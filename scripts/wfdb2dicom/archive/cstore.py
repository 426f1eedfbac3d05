"""Sending by DICOM's own protocol: C-STORE (PS3.4 annex B) and C-FIND over one association, in the clear or by TLS."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as StudyRootFind  # type: ignore[attr-defined]

from wfdb2dicom.archive.client import (
    Answer,
    ArchiveError,
    DicomObject,
    LoginRefused,
    Unreachable,
    answer_of_status,
)
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.settings import PREFIX, DimseArchive
from wfdb2dicom.dicom.sop_classes import SOP_CLASSES
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_CONNECT, _NEGOTIATE, _ANSWER = 10.0, 30.0, 120.0  # seconds
_USER_AND_PASSWORD, _JSON_WEB_TOKEN = 2, 5  # PS3.7 table D.3-14
# The archive chooses; each in a context of its own, so that it does not choose for us. Every SCU has to offer the
# implicit one (PS3.5 section 10.1), and some archives take no other.
_TRANSFER_SYNTAXES = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
_TRANSIENT = 2  # result of a rejected association (PS3.8 table 9-21)


class _NoAnswerToQuery(Exception):
    """The archive answers a query with a failure."""


class CStoreClient:
    """An association with an archive, made at the first use; see `wfdb2dicom.archive.client.ArchiveClient`."""

    chunk = 32

    def __init__(self, archive: DimseArchive, credentials: Credentials) -> None:
        self._archive = archive
        self._credentials = credentials
        self._tls = _tls_context(credentials) if archive.tls else None
        self._association: Association | None = None
        self._accepts_nothing = False
        self._answers_queries = True
        self._has_answered_query = False
        self._answers_lists = True
        # Study and Series Instance UID of the objects sent, which a query for one object must name (PS3.4 C.4.1.2.2.1).
        self._parents: dict[str, tuple[str, str]] = {}

    def find(self, uids: Sequence[str], *, singly: bool = False) -> set[str] | None:
        """Ask by C-FIND, where the archive accepts it; singly, only for what this client has sent."""
        association = self._associate()
        if association is None or not self._answers_queries or not _accepts(association, StudyRootFind):
            return None
        if not singly:
            return self._find_list(association, uids) if self._answers_lists else set()
        found = set()
        for uid in uids:
            try:
                if uid in self._parents and self._query(association, [uid], *self._parents[uid]):
                    found.add(uid)
            except _NoAnswerToQuery:
                self._answers_queries = False
                return None
        if found:  # which the list did not find
            self._answers_lists = False
        return found

    def _find_list(self, association: Association, uids: Sequence[str]) -> set[str] | None:
        try:
            return self._query(association, uids) if uids else set()
        except _NoAnswerToQuery:
            self._answers_lists = False  # which archives need not know; one object may still be asked for
            return set() if self._answers_queries else None

    def _query(self, association: Association, uids: Sequence[str], study: str = "", series: str = "") -> set[str]:
        query = Dataset()
        query.QueryRetrieveLevel = "IMAGE"
        query.StudyInstanceUID, query.SeriesInstanceUID, query.SOPInstanceUID = study, series, list(uids)
        found: set[str] = set()
        try:
            answers = association.send_c_find(query, StudyRootFind)
        except RuntimeError as error:
            raise self._ended() from error
        for status, match in answers:
            if "Status" not in status:
                ended = self._ended()
                if self._has_answered_query:
                    raise ended
                # Orthanc ends the association where this application entity may store and not ask.
                self._answers_queries = False
                raise _NoAnswerToQuery
            code = int(status.Status)
            if code in (0xFF00, 0xFF01):
                found.add(str(match.get("SOPInstanceUID")) if match is not None else "")
            elif code != 0:
                answer_of_status(code)  # raises when the archive is out of resources
                raise _NoAnswerToQuery
        self._has_answered_query = True
        return found & set(uids)

    def send(self, objects: Sequence[DicomObject]) -> Iterator[tuple[str, Answer]]:
        """One C-STORE per object, in the transfer syntax that the archive accepted for its class."""
        association = self._associate()
        for item in objects:
            uid = item.sop_instance_uid
            if association is None or not _accepts(association, item.sop_class_uid):
                yield uid, Answer("refused", _no_context(item.sop_class_uid))
                continue
            dataset = dcmread(BytesIO(item.content))
            self._parents[uid] = (str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID))
            try:
                status = association.send_c_store(dataset)
            except RuntimeError as error:
                raise self._ended() from error
            if "Status" not in status:
                raise self._ended()
            yield uid, answer_of_status(int(status.Status), str(status.get("ErrorComment") or ""))

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None

    def _ended(self) -> Unreachable:
        self._association = None
        return Unreachable(f"{self._archive} ended the association before it answered: see the archive's log")

    def _associate(self) -> Association | None:
        """The association; None when the archive accepts none of the presentation contexts."""
        if self._association is not None and self._association.is_established:
            return self._association
        if self._accepts_nothing:
            return None
        entity = AE(self._archive.calling_aet)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.connection_timeout, entity.acse_timeout = _CONNECT, _NEGOTIATE
        entity.dimse_timeout = entity.network_timeout = _ANSWER
        for sop_class in (*(known.uid for known in SOP_CLASSES), StudyRootFind):
            for transfer_syntax in _TRANSFER_SYNTAXES:
                entity.add_requested_context(sop_class, transfer_syntax)
        association = entity.associate(
            self._archive.host,
            self._archive.port,
            ae_title=self._archive.aet,
            ext_neg=[*_identity(self._credentials)],
            tls_args=(self._tls, self._archive.host) if self._tls else None,
            evt_handlers=[(evt.EVT_DATA_SENT, _send_at_once), (evt.EVT_CONN_CLOSE, _wake_waiting)],
        )
        if association.is_established:
            self._association = association
        elif association.rejected_contexts:
            self._accepts_nothing = True
        else:
            raise self._refusal(association)
        return self._association

    def _refusal(self, association: Association) -> ArchiveError | Unreachable:
        """The reason why there is not an association."""
        if association.is_rejected:
            answer = association.acceptor.primitive
            reason = answer.reason_str if answer else "no reason given"
            if answer and answer.result == _TRANSIENT:
                return Unreachable(f"{self._archive} rejects the association for now ({reason})")
            return LoginRefused(
                f"{self._archive} rejects the association ({reason}): the "
                f"archive must know archive.calling_aet {self._archive.calling_aet!r} and be called archive.aet "
                f"{self._archive.aet!r}; where it wants a user, set {PREFIX}USER and {PREFIX}PASSWORD"
            )
        return self._connection_problem() or Unreachable(
            f"{self._archive} answers no DICOM association: check archive.host, archive.port"
            + ("" if self._archive.tls else ", and archive.tls where it wants TLS")
        )

    def _connection_problem(self) -> ArchiveError | Unreachable | None:
        """Why there is no connection, which pynetdicom only logs: connect once more to find out."""
        try:
            with socket.create_connection((self._archive.host, self._archive.port), _CONNECT) as plain:
                if self._tls is not None:
                    self._tls.wrap_socket(plain, server_hostname=self._archive.host).close()
        except ssl.SSLCertVerificationError as error:
            return ArchiveError(
                f"the certificate of {self._archive} is not accepted ({error.verify_message}): name the PEM file of "
                "its certificate authority in REQUESTS_CA_BUNDLE; it is never left unchecked"
            )
        except ssl.SSLError as error:
            return ArchiveError(
                f"{self._archive} does not agree on TLS with us ({error.reason or error}): check archive.tls"
            )
        except OSError as error:
            words = error.strerror or str(error)
            return Unreachable(f"{self._archive} does not answer ({words}): check archive.host, archive.port, network")
        return None


def _accepts(association: Association, sop_class: str) -> bool:
    return any(context.abstract_syntax == sop_class for context in association.accepted_contexts)


def _no_context(sop_class: str) -> str:
    syntaxes = " nor ".join(syntax.name for syntax in _TRANSFER_SYNTAXES)
    return f"the archive accepts {UID(sop_class).name} ({sop_class}) neither in {syntaxes}"


def _send_at_once(sent: Event) -> None:
    """Keep both sides from waiting for a full segment or a delayed acknowledgement, 40 ms each: 68 → 10 ms an object.

    The kernel takes TCP_QUICKACK back when something is sent, so it is set after each time.
    """
    connection = sent.assoc.dul.socket
    if connection is None or connection.socket is None:
        return
    with suppress(OSError):  # closed meanwhile, which the wait for the answer will find out
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _wake_waiting(closed: Event) -> None:
    """Wake the wait for an answer: pynetdicom's own thread may have taken the one message that ends it."""
    closed.assoc.dimse.msg_queue.put((None, None))


def _tls_context(credentials: Credentials) -> ssl.SSLContext:
    """TLS with the archive's certificate and name checked."""
    bundle = credentials.ca_bundle
    try:
        if os.path.isdir(bundle):
            context = ssl.create_default_context(capath=bundle)
        else:
            context = ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        raise ArchiveError(f"REQUESTS_CA_BUNDLE: {bundle} cannot be used ({error}): name a PEM file") from error
    if credentials.certificate:
        try:
            context.load_cert_chain(credentials.certificate, credentials.key or None)
        except OSError as error:
            raise ArchiveError(f"{PREFIX}CERT: {credentials.certificate} cannot be used ({error})") from error
    return context


def _identity(credentials: Credentials) -> list[UserIdentityNegotiation]:
    """DICOM user identity (PS3.7 D.3.3.7), where credentials are given."""
    if not credentials:
        return []
    item = UserIdentityNegotiation()
    item.positive_response_requested = False
    if token := credentials.bearer_token():
        item.user_identity_type = _JSON_WEB_TOKEN
        item.primary_field = token.encode()
    else:
        item.user_identity_type = _USER_AND_PASSWORD
        item.primary_field = credentials.user.encode()
        item.secondary_field = credentials.password.encode()
    return [item]
