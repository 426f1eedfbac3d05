"""Connecting to an archive by the protocol that its settings name."""

from __future__ import annotations

from wfdb2dicom.archive.client import ArchiveClient, ArchiveError
from wfdb2dicom.archive.credentials import Credentials
from wfdb2dicom.archive.settings import Archive, StowArchive


def connect(archive: Archive, credentials: Credentials) -> ArchiveClient:
    """A client for an archive; nothing is sent yet.

    Raises
    ------
    ArchiveError
        When the packages for it are not installed.
    """
    try:
        if isinstance(archive, StowArchive):
            from wfdb2dicom.archive.stow import StowClient

            return StowClient(archive, credentials)
        from wfdb2dicom.archive.cstore import CStoreClient

        return CStoreClient(archive, credentials)
    except ModuleNotFoundError as error:
        raise ArchiveError(
            f"{error.name} is not installed, which sending to an archive needs: pip install -e '.[archive]'"
        ) from error
