"""Sending by DICOM's own protocol: C-STORE (PS3.4 annex B) over one association, in the clear or within TLS."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import BytesIO

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import UserIdentityNegotiation

from wfdb2dicom.archive.client import Object, Unreachable, Verdict, judge
from wfdb2dicom.archive.settings import PREFIX, ArchiveError, Credentials, DimseArchive
from wfdb2dicom.dicom.sop_classes import SOP_CLASSES
from wfdb2dicom.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_CONNECT, _ANSWER = 10.0, 120.0  # seconds
_USER_AND_PASSWORD, _JSON_WEB_TOKEN = 2, 5  # PS3.7 table D.3-14


class StoreClient:
    """An association with an archive, made when the first object is sent; see `wfdb2dicom.archive.client.Client`."""

    chunk = 32

    def __init__(self, archive: DimseArchive, credentials: Credentials) -> None:
        self._archive = archive
        self._credentials = credentials
        self._tls = _context(credentials) if archive.tls else None
        self._association: Association | None = None

    def present(self, uids: Sequence[str]) -> set[str] | None:
        """C-STORE has no questions: an archive that has an object says so when it is sent again, or takes it again."""
        return None

    def send(self, objects: Sequence[Object]) -> Iterator[tuple[str, Verdict]]:
        """One C-STORE an object."""
        association = self._associate()
        for item in objects:
            try:
                status = association.send_c_store(dcmread(BytesIO(item.content)))
            except ValueError:  # no presentation context was accepted for its class
                yield item.sop_instance_uid, judge(0x0122)
                continue
            except RuntimeError as error:
                raise self._ended() from error
            if "Status" not in status:
                raise self._ended()
            yield item.sop_instance_uid, judge(int(status.Status), str(status.get("ErrorComment") or ""))

    def close(self) -> None:
        """Release the association."""
        if self._association is not None and self._association.is_established:
            self._association.release()
        self._association = None

    def _ended(self) -> Unreachable:
        self._association = None
        return Unreachable(f"{self._archive} ended the association while an object was sent: see the archive's log")

    def _associate(self) -> Association:
        if self._association is not None and self._association.is_established:
            return self._association
        entity = AE(self._archive.calling_aet)
        entity.implementation_class_uid = IMPLEMENTATION_CLASS_UID
        entity.implementation_version_name = IMPLEMENTATION_VERSION_NAME
        entity.connection_timeout, entity.acse_timeout = _CONNECT, 30.0
        entity.dimse_timeout = entity.network_timeout = _ANSWER
        for sop_class in SOP_CLASSES:
            entity.add_requested_context(sop_class.uid, ExplicitVRLittleEndian)
        association = entity.associate(
            self._archive.host,
            self._archive.port,
            ae_title=self._archive.aet,
            ext_neg=[*_identity(self._credentials)],
            tls_args=(self._tls, self._archive.host) if self._tls else None,
            evt_handlers=[(evt.EVT_DATA_SENT, _in_a_hurry), (evt.EVT_CONN_CLOSE, _no_answer_comes)],
        )
        if not association.is_established:
            raise self._refusal(association)
        self._association = association
        return association

    def _refusal(self, association: Association) -> ArchiveError | Unreachable:
        """Why there is no association."""
        if association.is_rejected:
            answer = association.acceptor.primitive
            return ArchiveError(
                f"{self._archive} rejects the association ({answer.reason_str if answer else 'no reason given'}): the "
                f"archive must know archive.calling_aet {self._archive.calling_aet!r} and be called archive.aet "
                f"{self._archive.aet!r}; where it wants a user, set {PREFIX}USER and {PREFIX}PASSWORD"
            )
        return self._look() or Unreachable(
            f"{self._archive} answers no DICOM association: check archive.host, archive.port"
            + ("" if self._archive.tls else ", and archive.tls where it wants TLS")
        )

    def _look(self) -> ArchiveError | Unreachable | None:
        """What pynetdicom only logs: why there is no connection. Connect once more, to be told."""
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
            return ArchiveError(f"{self._archive} speaks no TLS with us ({error.reason or error}): check archive.tls")
        except OSError as error:
            words = error.strerror or str(error)
            return Unreachable(f"{self._archive} does not answer ({words}): check archive.host, archive.port, network")
        return None


def _in_a_hurry(sent: Event) -> None:
    """Neither side is to wait for a full segment or for a delayed acknowledgement, 40 ms each: 68 → 10 ms an object.

    The kernel takes TCP_QUICKACK back when something is sent, so it is set after each time.
    """
    connection = sent.assoc.dul.socket
    if connection is None or connection.socket is None:
        return
    with suppress(OSError):  # ended meanwhile, which whoever waits for the answer finds out
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if sys.platform == "linux":
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


def _no_answer_comes(closed: Event) -> None:
    """Wake who waits for an answer: pynetdicom's own thread may have taken the one word that it is not to wait for."""
    closed.assoc.dimse.msg_queue.put((None, None))


def _context(credentials: Credentials) -> ssl.SSLContext:
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
    if credentials.token:
        item.user_identity_type = _JSON_WEB_TOKEN
        item.primary_field = credentials.token.encode()
    else:
        item.user_identity_type = _USER_AND_PASSWORD
        item.primary_field = credentials.user.encode()
        item.secondary_field = credentials.password.encode()
    return [item]
