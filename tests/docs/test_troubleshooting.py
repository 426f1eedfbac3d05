"""docs/troubleshooting.md lists every message that the code can give, and none that it cannot."""

import re
from pathlib import Path

import pytest

from wfdb2dicom.errors import is_transient
from wfdb2dicom.inputs.measurements import MISSING

from .messages import Message, of_library, of_rules


@pytest.fixture(scope="module")
def text(project: Path) -> str:
    return (project / "docs/troubleshooting.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def given(project: Path) -> list[Message]:
    return [*of_library(project / "scripts"), *of_rules(project / "workflow")]


def documented(text: str) -> list[tuple[str, str, str]]:
    """Message, cause and remedy of each row of the tables of messages."""
    _, _, tables = text.partition("## Configuration")
    return re.findall(r"^\| `(.+?)` \| (.+?) \| (.+?) \|$", tables, re.MULTILINE)


def test_every_message_is_listed(text: str, given: list[Message]) -> None:
    listed = {message for message, _, _ in documented(text)}
    missing = [f"{m.place}: {m.kind}: {m.text}" for m in given if m.text not in listed]
    assert not missing, "add to docs/troubleshooting.md, with cause and remedy:\n" + "\n".join(missing)


def test_no_message_is_listed_that_nothing_gives(text: str, given: list[Message]) -> None:
    texts = {message.text for message in given}
    stale = [message for message, _, _ in documented(text) if message not in texts]
    assert not stale, "remove from docs/troubleshooting.md, or correct:\n" + "\n".join(stale)


def test_every_entry_has_a_cause_and_a_remedy(text: str) -> None:
    rows = documented(text)
    assert len(rows) > 150
    assert all(len(cause) > 8 and len(remedy) > 5 for _, cause, remedy in rows)


def test_the_words_that_are_no_exceptions_are_explained(text: str) -> None:
    for words in (MISSING, "Timeout>…s", "WorkerCrash: …", "FileNotFoundError", "MemoryError"):
        assert f"`{words}`" in text
    assert is_transient("Timeout>60s") and is_transient("WorkerCrash: x") and not is_transient(MISSING)


def test_links_of_the_pages_lead_to_files_that_exist(project: Path) -> None:
    for page in ("troubleshooting.md", "recipes.md", "manifest.md", "report.md"):
        links = re.findall(r"\]\((?!https?:)([^)#]+)", (project / "docs" / page).read_text(encoding="utf-8"))
        for link in links:
            assert (project / "docs" / link).exists(), f"{page}: {link}"
