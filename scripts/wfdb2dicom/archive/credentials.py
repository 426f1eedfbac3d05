"""The account of an archive, from the environment and nowhere else.

================================  ====================================================================================
Variable                          Meaning
================================  ====================================================================================
WFDB2DICOM_ARCHIVE_USER           User of HTTP Basic authentication, or of DICOM user identity negotiation
WFDB2DICOM_ARCHIVE_PASSWORD       Its password
WFDB2DICOM_ARCHIVE_TOKEN          Bearer token (HTTP) or JSON web token (DICOM), instead of the two
WFDB2DICOM_ARCHIVE_TOKEN_COMMAND  Program that prints such a token; run again when the archive no longer accepts it
WFDB2DICOM_ARCHIVE_CERT           PEM file of a client certificate, where the archive wants one
WFDB2DICOM_ARCHIVE_KEY            PEM file of its key, when that is not in the same file
REQUESTS_CA_BUNDLE                PEM file of the certificate authority, when the system does not know it
================================  ====================================================================================
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from wfdb2dicom.archive.client import ArchiveError
from wfdb2dicom.archive.settings import PREFIX

_TIMEOUT = 120  # seconds that the token command may take


@dataclass(frozen=True, repr=False)
class Credentials:
    """An account; its text shows nothing of it."""

    user: str = ""
    password: str = ""
    token: str = ""
    token_command: str = ""
    certificate: str = ""
    key: str = ""
    ca_bundle: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"

    def __bool__(self) -> bool:
        return bool(self.user or self.token or self.token_command)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Credentials:
        """Those of the variables above.

        Raises
        ------
        ArchiveError
            When they contradict each other.
        """
        names = ("USER", "PASSWORD", "TOKEN", "TOKEN_COMMAND", "CERT", "KEY")
        given = {name: environment.get(PREFIX + name, "") for name in names}
        if bool(given["USER"]) != bool(given["PASSWORD"]):
            there, missing = ("USER", "PASSWORD") if given["USER"] else ("PASSWORD", "USER")
            raise ArchiveError(f"{PREFIX}{there} is set and {PREFIX}{missing} is not: set both or neither")
        accounts = [name for name in ("USER", "TOKEN", "TOKEN_COMMAND") if given[name]]
        if len(accounts) > 1:
            first, second, *_ = accounts
            raise ArchiveError(f"both {PREFIX}{first} and {PREFIX}{second} are set: unset the one that is not meant")
        if given["KEY"] and not given["CERT"]:
            raise ArchiveError(f"{PREFIX}KEY is set and {PREFIX}CERT is not: name the certificate that it belongs to")
        for name in ("CERT", "KEY"):
            if given[name] and not os.path.isfile(given[name]):
                raise ArchiveError(f"{PREFIX}{name}: {given[name]} is not a file: name a PEM file")
        user, password, token, token_command, certificate, key = given.values()
        bundle = environment.get("REQUESTS_CA_BUNDLE", "")
        return cls(user, password, token, token_command, certificate, key, bundle)

    def bearer_token(self) -> str:
        """The token; one from the token command is new each time. "" where there is none.

        Raises
        ------
        ArchiveError
            When the command does not print one. Nothing that it prints is repeated.
        """
        return _printed_token(self.token_command) if self.token_command else self.token


def _printed_token(command: str) -> str:
    """What a program prints, run without a shell."""
    name = f"{PREFIX}TOKEN_COMMAND"
    try:
        words = shlex.split(command)
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_TIMEOUT
        )
    except (OSError, ValueError, IndexError) as error:
        reason = getattr(error, "strerror", None) or "not a command"
        raise ArchiveError(f"{name} cannot be run ({reason}): name a program and its arguments") from None
    except subprocess.TimeoutExpired:
        raise ArchiveError(f"{name} did not end within {_TIMEOUT} s: name a program that prints a token") from None
    if done.returncode != 0:
        raise ArchiveError(f"{name} ended with exit status {done.returncode}: run it by hand to see why")
    token = done.stdout.decode("ascii", "replace").strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ArchiveError(f"{name} did not print a token: it must print the token and nothing else")
    return token
