"""Where the archive is: the configuration key ``archive``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from wfdb2dicom.errors import ConfigError

PREFIX = "WFDB2DICOM_ARCHIVE_"  # of the environment variables with credentials
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_URL_KEYS = {"url"}
_DIMSE_KEYS = {"host", "port", "aet", "calling_aet", "tls"}
_SECRETS = {"user", "username", "password", "token", "auth", "authorization", "login"}
_REMEDY = 'write archive: {url: "https://…/dicom-web"} for STOW-RS or archive: {host: …, port: …, aet: …} for C-STORE'


class StowArchive(NamedTuple):
    """A DICOMweb service; `url` is its root, without ``/studies``."""

    url: str

    def __str__(self) -> str:
        return self.url

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read what is sent, because it is encrypted or never leaves this machine."""
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
        """Whether nobody on the way can read what is sent, because it is encrypted or never leaves this machine."""
        return self.tls or self.host in _LOOPBACK


Archive = StowArchive | DimseArchive


def parse_archive(setting: object) -> Archive | None:
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
        raise ConfigError(f"archive: {wrong} is not a key here, or not together with the others: {_REMEDY}")
    return _dimse(setting)


def _stow(setting: Mapping[str, Any]) -> StowArchive:
    url = setting["url"]
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigError("archive.url: not an address such as https://archive.example.org/dicom-web: correct it")
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
    # Snakemake leaves every value in --config archive='{…}' as text.
    port, tls = _number(setting["port"]), {"true": True, "false": False}.get(str(setting.get("tls", False)).lower())
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        raise ConfigError(f"archive.port: {port!r} is not a port: a whole number from 1 to 65535, usually 104 or 11112")
    if tls is None:
        raise ConfigError(f"archive.tls: {setting['tls']!r} is neither true nor false: write one of them")
    titles = {"aet": setting["aet"], "calling_aet": setting.get("calling_aet", "WFDB2DICOM")}
    for key, title in titles.items():
        text = str(title).strip()
        if not (0 < len(text) <= 16 and text.isascii() and text.isprintable() and "\\" not in text):
            raise ConfigError(f"archive.{key}: {title!r} is not an application entity title: 1 to 16 ASCII characters")
    return DimseArchive(str(setting["host"]), port, str(titles["aet"]), str(titles["calling_aet"]), tls)


def _number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
