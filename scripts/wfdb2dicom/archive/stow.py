"""Sending by DICOMweb: STOW-RS (PS3.18 section 10.5), and QIDO-RS to ask what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import requests
from dicomweb_client import DICOMwebClient
from pydicom import dcmread
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter

from wfdb2dicom.archive.client import (
    Answer,
    ArchiveError,
    DicomObject,
    LoginRefused,
    Unreachable,
    answer_of_status,
)
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.settings import PREFIX, StowArchive
from wfdb2dicom.words import printable

_TIMEOUT = (10.0, 120.0)  # seconds to connect, and to wait for an answer
_CANNOT_ASK = {400, 403, 404, 405, 406, 414, 501}  # to a search, from archives that only take, or take no list of UIDs
_NO_SERVICE = {404, 405, 501}
_BUSY = {408, 425, 429, 502, 503, 504}


class _Adapter(HTTPAdapter):
    """Limits every wait and follows no redirection, which would turn a POST into a GET and leak credentials."""

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = _TIMEOUT
        response: requests.Response = super().send(request, *args, **kwargs)
        if response.is_redirect:
            place = printable(response.headers["Location"].split("?")[0], 200)
            raise ArchiveError(f"archive.url: {request.url.split('?')[0]} has moved to {place}: correct the key")
        return response


class _Login(requests.auth.AuthBase):
    """The credentials of the environment and no others; without this, requests takes those of a .netrc.

    A token of the token command is used until the archive answers 401, and then once more in its new form.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._token = ""

    def __call__(self, request: Any) -> Any:
        if self._credentials.user:
            user, password = self._credentials.user.encode(), self._credentials.password.encode()
            return requests.auth.HTTPBasicAuth(user, password)(request)
        if self._credentials:
            self._token = self._token or self._credentials.bearer_token()
            request.headers["Authorization"] = f"Bearer {self._token}"
            if self._credentials.token_command:
                request.register_hook("response", self._renew)
        return request

    def _renew(self, response: requests.Response, **options: Any) -> requests.Response:
        if response.status_code != 401:
            return response
        token = self._credentials.bearer_token()
        if f"Bearer {token}" == response.request.headers["Authorization"]:
            return response  # refused already
        self._token = token
        response.content  # noqa: B018  read to its end, so that the connection can be used again
        response.close()
        request = response.request.copy()
        request.headers["Authorization"] = f"Bearer {token}"
        answer: requests.Response = response.connection.send(request, **options)
        answer.history.append(response)
        answer.request = request
        return answer


class StowClient:
    """A connection to a DICOMweb service; see `wfdb2dicom.archive.client.ArchiveClient`."""

    chunk = 32

    def __init__(self, archive: StowArchive, credentials: Credentials) -> None:
        session = requests.Session()
        for scheme in ("https://", "http://"):
            session.mount(scheme, _Adapter())
        session.auth = _Login(credentials)
        session.headers["Accept"] = "application/dicom+json"
        if credentials.certificate:
            session.cert = (credentials.certificate, credentials.key) if credentials.key else credentials.certificate
        self._archive = archive
        self._session = session
        # One request, not in the small pieces that some servers refuse. Further tries are made here, not by the client.
        self._web = DICOMwebClient(archive.url, session=session, chunk_size=1 << 30)
        self._web.set_http_retry_params(retry=False)
        self._answers_queries = True
        self._answers_lists = True

    def find(self, uids: Sequence[str], *, singly: bool = False) -> set[str] | None:
        """Ask by QIDO-RS; a list of UIDs matches each of them (PS3.4 C.2.2.2.2), where a proxy does not cut it off."""
        if not self._answers_queries:
            return None
        if not uids:
            return set()
        if not singly:
            return self._find_list(uids) if self._answers_lists else set()
        found = set()
        for uid in uids:
            match = self._query([uid])
            if match is None:
                self._answers_queries = False
                return None
            found |= match
        if found:  # which the list did not find
            self._answers_lists = False
        return found

    def _find_list(self, uids: Sequence[str]) -> set[str] | None:
        found = self._query(uids)
        if found is not None:
            return found
        self._answers_lists = False
        return None if self.find(uids[:1], singly=True) is None else set()

    def _query(self, uids: Sequence[str]) -> set[str] | None:
        """Those of the objects that a search finds; None when the archive does not understand the search."""
        try:
            found = self._web.search_for_instances(
                search_filters={"SOPInstanceUID": ",".join(uids)}, limit=len(uids), fields=["SOPInstanceUID"]
            )
            return {str(item["00080018"]["Value"][0]) for item in found} & set(uids)
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code in _CANNOT_ASK:
                return None
            raise self._failure(error) from error
        except requests.RequestException as error:
            raise self._failure(error) from error
        except (KeyError, IndexError, TypeError, ValueError):  # not an answer to a search
            return None

    def send(self, objects: Sequence[DicomObject]) -> Iterator[tuple[str, Answer]]:
        """Send all in one request; when that is refused as a whole, each in one of its own."""
        try:
            yield from self._post(objects)
            return
        except requests.HTTPError as error:
            if not self._is_about_objects(error):
                raise self._failure(error) from error
            if len(objects) == 1 and not _is_server_error(error):
                yield objects[0].sop_instance_uid, _refusal(error)
                return
            if len(objects) == 1:
                raise self._failure(error) from error
        except requests.RequestException as error:
            raise self._failure(error) from error
        yield from self._send_singly(objects)

    def _send_singly(self, objects: Sequence[DicomObject]) -> Iterator[tuple[str, Answer]]:
        """A server error is one object's fault if others are answered, and the server's if all end in one."""
        broken = []
        last: requests.HTTPError | None = None
        answered = False
        for item in objects:
            try:
                yield from self._post([item])
                answered = True
            except requests.HTTPError as error:
                if not self._is_about_objects(error):
                    raise self._failure(error) from error
                if _is_server_error(error):
                    broken.append((item.sop_instance_uid, _refusal(error)))
                    last = error
                else:
                    yield item.sop_instance_uid, _refusal(error)
                    answered = True
            except requests.RequestException as error:
                raise self._failure(error) from error
        if last is not None and not answered:
            raise self._failure(last) from last
        yield from broken

    def _post(self, objects: Sequence[DicomObject]) -> Iterator[tuple[str, Answer]]:
        try:
            content = self._web.store_instances([dcmread(BytesIO(item.content)) for item in objects])
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != 409:
                raise
            content = _dataset(error.response)  # 409: none was stored, and the answer says why
        answers = _answers(content)
        for item in objects:
            uid = item.sop_instance_uid
            yield uid, answers.get(uid) or Answer("refused", "the archive's answer does not mention it")

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    @staticmethod
    def _is_about_objects(error: requests.HTTPError) -> bool:
        code = error.response.status_code if error.response is not None else 0
        return code in (400, 406, 409, 411, 413, 415, 422, 500, 507)

    def _failure(self, error: requests.RequestException) -> ArchiveError | Unreachable:
        """What a failed request means for the job."""
        if error.response is not None:
            return self._http_failure(error.response.status_code)
        words = _words(error)
        if isinstance(error, requests.exceptions.SSLError):
            return ArchiveError(
                f"the certificate of {self._archive} is not accepted ({words}): name the PEM file of its certificate "
                "authority in REQUESTS_CA_BUNDLE; it is never left unchecked"
            )
        if isinstance(error, (requests.ConnectionError, requests.Timeout)):
            return Unreachable(f"{self._archive} does not answer ({words}): check archive.url, network and archive")
        return ArchiveError(f"{self._archive} cannot be asked ({words}): check archive.url and REQUESTS_CA_BUNDLE")

    def _http_failure(self, code: int) -> ArchiveError | Unreachable:
        if code in (401, 403):
            return LoginRefused(
                f"{self._archive} does not let us in (HTTP {code}): set {PREFIX}USER and {PREFIX}PASSWORD, "
                f"{PREFIX}TOKEN or {PREFIX}TOKEN_COMMAND, to those of an account that may store"
            )
        if code in _NO_SERVICE:
            return ArchiveError(f"{self._archive} takes no objects (HTTP {code}): archive.url is not a STOW-RS service")
        if code in _BUSY or code >= 500:
            return Unreachable(f"{self._archive} is in trouble (HTTP {code}): see the archive's own log")
        return ArchiveError(f"{self._archive} refuses the request (HTTP {code}): check archive.url")


def _is_server_error(error: requests.HTTPError) -> bool:
    return error.response is not None and error.response.status_code >= 500


def _refusal(error: requests.HTTPError) -> Answer:
    code = error.response.status_code if error.response is not None else 0
    return Answer("refused", f"the archive answers HTTP {code}")


def _dataset(response: requests.Response) -> Dataset:
    try:
        return Dataset.from_json(response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        return Dataset()


def _answers(content: Dataset) -> dict[str, Answer]:
    """Answer by SOP Instance UID (PS3.18 table I.2-1); a failure outweighs a success."""
    answers = {}
    for item in content.get("ReferencedSOPSequence") or ():
        answers[str(item.ReferencedSOPInstanceUID)] = answer_of_status(int(item.get("WarningReason") or 0))
    for item in content.get("FailedSOPSequence") or ():
        if item.get("ReferencedSOPInstanceUID"):
            answers[str(item.ReferencedSOPInstanceUID)] = answer_of_status(int(item.get("FailureReason") or 0x0110))
    return answers


def _words(error: BaseException) -> str:
    """The innermost reason, without the addresses of objects that urllib3 wraps around it."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return printable(str(error)) or type(error).__name__
