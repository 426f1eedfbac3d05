"""A DICOM archive to send to: where it is, and the credentials for it.

Where it is comes from the configuration; credentials come from the environment and nowhere else:

==============================  ======================================================================================
Variable                        Meaning
==============================  ======================================================================================
WFDB2DICOM_ARCHIVE_USER         User of HTTP Basic authentication, or of DICOM user identity negotiation
WFDB2DICOM_ARCHIVE_PASSWORD     Its password
WFDB2DICOM_ARCHIVE_TOKEN        Bearer token (HTTP) or JSON web token (DICOM), instead of the two
WFDB2DICOM_ARCHIVE_CERT         PEM file of a client certificate, where the archive wants one
WFDB2DICOM_ARCHIVE_KEY          PEM file of its key, when that is not in the same file
REQUESTS_CA_BUNDLE              PEM file of the certificate authority, when the system does not know it
==============================  ======================================================================================
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from wfdb2dicom.errors import ConfigError, Wfdb2DicomError

PREFIX = "WFDB2DICOM_ARCHIVE_"
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_URL_KEYS = {"url"}
_DIMSE_KEYS = {"host", "port", "aet", "calling_aet", "tls"}
_SECRETS = {"user", "username", "password", "token", "auth", "authorization", "login"}
_REMEDY = 'write archive: {url: "https://…/dicom-web"} for STOW-RS or archive: {host: …, port: …, aet: …} for C-STORE'


class ArchiveError(Wfdb2DicomError):
    """What no object is to blame for and no second try mends: the job fails, names the reason and the remedy."""


class StowArchive(NamedTuple):
    """A DICOMweb service; `url` is its root, without ``/studies``."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def encrypted(self) -> bool:
        """Whether what is sent cannot be read on the way, or never leaves this machine."""
        parts = urlsplit(self.url)
        return parts.scheme == "https" or parts.hostname in _LOOPBACK


class DimseArchive(NamedTuple):
    """A DICOM application entity that takes C-STORE."""

    host: str
    port: int
    aet: str
    calling_aet: str = "WFDB2DICOM"
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.aet}@{self.host}:{self.port}{' (TLS)' if self.tls else ''}"

    @property
    def encrypted(self) -> bool:
        """Whether what is sent cannot be read on the way, or never leaves this machine."""
        return self.tls or self.host in _LOOPBACK


Archive = StowArchive | DimseArchive


def parse(setting: object) -> Archive | None:
    """The archive of the configuration key ``archive``; None when that is empty.

    Raises
    ------
    ConfigError
        Names the key and the remedy, and never repeats a password.
    """
    if setting is None or setting == {} or setting == "":
        return None
    if not isinstance(setting, Mapping):
        raise ConfigError(f"archive: {type(setting).__name__} instead of a mapping: {_REMEDY}")
    keys = {str(key) for key in setting}
    if secret := sorted(key for key in keys if key.lower() in _SECRETS):
        raise ConfigError(
            f"archive.{secret[0]}: no credentials in a configuration, which is kept with the results: "
            f"set {PREFIX}USER and {PREFIX}PASSWORD, or {PREFIX}TOKEN, in the environment"
        )
    if keys <= _URL_KEYS:
        return _stow(setting)
    if not keys <= _DIMSE_KEYS:
        wrong = ", ".join(sorted(keys - (_DIMSE_KEYS if "host" in keys else _URL_KEYS)))
        raise ConfigError(f"archive: {wrong} is no key here, or not together with the others: {_REMEDY}")
    return _dimse(setting)


def _stow(setting: Mapping[str, Any]) -> StowArchive:
    url = setting["url"]
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("archive.url: no address such as https://archive.example.org/dicom-web: correct it")
    if parts.username is not None or parts.password is not None:
        raise ConfigError(
            f"archive.url: holds a user or password: leave them out and set {PREFIX}USER and {PREFIX}PASSWORD"
        )
    if parts.query or parts.fragment:
        raise ConfigError("archive.url: ends in ?… or #…: name the root of the DICOMweb service alone")
    path = parts.path.rstrip("/")
    if path.endswith("/studies"):
        raise ConfigError("archive.url: ends in /studies: name the root of the DICOMweb service, without it")
    return StowArchive(f"{parts.scheme}://{parts.netloc}{path}")


def _dimse(setting: Mapping[str, Any]) -> DimseArchive:
    for key in ("host", "port", "aet"):
        if setting.get(key) in (None, ""):
            raise ConfigError(f"archive.{key}: missing: {_REMEDY}")
    # Within --config archive='{…}' Snakemake leaves every value text.
    port, tls = _number(setting["port"]), {"true": True, "false": False}.get(str(setting.get("tls", False)).lower())
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ConfigError(f"archive.port: {port!r} is no port: a whole number from 1 to 65535, usually 104 or 11112")
    if tls is None:
        raise ConfigError(f"archive.tls: {setting['tls']!r} is neither true nor false: write one of them")
    titles = {"aet": setting["aet"], "calling_aet": setting.get("calling_aet", "WFDB2DICOM")}
    for key, title in titles.items():
        text = str(title).strip()
        if not (0 < len(text) <= 16 and text.isascii() and text.isprintable() and "\\" not in text):
            raise ConfigError(f"archive.{key}: {title!r} is no application entity title: 1 to 16 ASCII characters")
    return DimseArchive(str(setting["host"]), port, str(titles["aet"]), str(titles["calling_aet"]), tls)


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value


@dataclass(frozen=True, repr=False)
class Credentials:
    """Who asks; its text shows nothing of it."""

    user: str = ""
    password: str = ""
    token: str = ""
    certificate: str = ""
    key: str = ""
    ca_bundle: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"

    def __bool__(self) -> bool:
        return bool(self.user or self.token)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Credentials:
        """Those of the variables above.

        Raises
        ------
        ArchiveError
            When they contradict each other.
        """
        names = ("USER", "PASSWORD", "TOKEN", "CERT", "KEY")
        user, password, token, certificate, key = (environment.get(PREFIX + name, "") for name in names)
        if bool(user) != bool(password):
            there, missing = ("USER", "PASSWORD") if user else ("PASSWORD", "USER")
            raise ArchiveError(f"{PREFIX}{there} is set and {PREFIX}{missing} is not: set both or neither")
        if user and token:
            raise ArchiveError(f"both {PREFIX}USER and {PREFIX}TOKEN are set: unset the one that is not meant")
        if key and not certificate:
            raise ArchiveError(f"{PREFIX}KEY is set and {PREFIX}CERT is not: name the certificate that it belongs to")
        for name, path in (("CERT", certificate), ("KEY", key)):
            if path and not os.path.isfile(path):
                raise ArchiveError(f"{PREFIX}{name}: {path} is no file: name a PEM file")
        return cls(user, password, token, certificate, key, environment.get("REQUESTS_CA_BUNDLE", ""))
