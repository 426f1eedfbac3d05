"""The error messages that the code can give, as patterns: constant text, with … for what is filled in."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

BASES = {
    "StudyError",
    "ConfigError",
    "OutputError",
    "TableError",
    "EcgError",
    "ArchiveError",
    "Unreachable",
    "WorkflowError",
    # of the command lines: argparse says them with the usage of the command
    "ArgumentTypeError",
    "WrongArguments",
    "error",
}


class Message(NamedTuple):
    """A message, the class that carries it, and where it is."""

    kind: str
    text: str
    place: str


def of_library(folder: Path) -> Iterator[Message]:
    """All messages in the calls of error classes below `folder`."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.py"))}
    kinds = _error_classes(trees.values())
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and (kind := _name(node.func)) in kinds:
                text = pattern(node.args[0])
                if re.search(r"[A-Za-z]{3}", text):  # one that is only handed on is that of another place
                    yield Message(kind, text, f"{path.name}:{node.lineno}")


def of_rules(folder: Path) -> Iterator[Message]:
    """The messages of errors in Snakefiles, which are Python but for their rules."""
    for path in sorted(folder.rglob("*.smk")):
        source = path.read_text(encoding="utf-8")
        for match in re.finditer(r"(?:WorkflowError|ConfigError)\(", source):
            call = _balanced(source, match.end() - 1)
            node = ast.parse(f"f{call}", mode="eval").body
            assert isinstance(node, ast.Call)
            text = pattern(node.args[0])
            if re.search(r"[A-Za-z]{3}", text):
                yield Message("WorkflowError", text, f"{path.name}:{source.count(chr(10), 0, match.start()) + 1}")


def pattern(node: ast.expr) -> str:
    """The constant parts of a string expression."""
    return re.sub(r"(… ?)+…", "…", re.sub(r"\s+", " ", "".join(_parts(node)))).strip()


def _parts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for value in node.values:
            yield from _parts(value)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        yield from _parts(node.left)
        yield from _parts(node.right)
    else:
        yield "…"


def _error_classes(trees: object) -> set[str]:
    bases: dict[str, set[str]] = {}
    for tree in trees:  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {_name(base) for base in node.bases}
    kinds = set(BASES)
    while more := {name for name, above in bases.items() if above & kinds} - kinds:
        kinds |= more
    return kinds


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _balanced(source: str, start: int) -> str:
    depth = 0
    for end in range(start, len(source)):
        depth += {"(": 1, ")": -1}.get(source[end], 0)
        if depth == 0:
            return source[start : end + 1]
    raise ValueError("unbalanced parentheses")
