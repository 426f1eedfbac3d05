"""The library's structure: layers that import downward only, no circles, modules and functions of readable size."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import wfdb2dicom

LAYERS = (
    "cli",
    "api",
    "arguments",
    "report",
    "publish",
    "archive",
    "checks",
    "results",
    "batches",
    "page",
    "conformance",
    "convert",
    "dicom",
    "records",
    "inputs",
    "system",
    "acquisition",
    "errors",
    "words",
)
LONGEST_MODULE = 400
LONGEST_FUNCTION = 50  # lines after the docstring


@pytest.fixture(scope="module")
def library(project: Path) -> Path:
    return project / "scripts" / "wfdb2dicom"


def modules(library: Path) -> dict[str, Path]:
    """Dotted name below the library, "" for the library itself -> file."""
    found = {}
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the library that a module imports, also within functions and for type checking only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where a module belongs"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] != "wfdb2dicom":
                continue
            name = name.partition(".")[2]
            while name and name not in known:
                name = name.rpartition(".")[0]
            if name:
                yield name


def upward(known: dict[str, Path]) -> list[str]:
    """Imports of a higher layer, as `from -> to`."""
    rank = {layer: number for number, layer in enumerate(LAYERS)}
    return [
        f"{name} -> {imported}"
        for name, path in known.items()
        if name.partition(".")[0] in rank
        for imported in imports(path, known)
        if rank[imported.partition(".")[0]] < rank[name.partition(".")[0]]
    ]


def circle(known: dict[str, Path]) -> list[str]:
    """The modules of a circle of imports, none where there is none."""
    graph = {name: {other for other in imports(path, known) if other != name} for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_belongs_to_a_layer(library: Path) -> None:
    tops = {name.partition(".")[0] for name in modules(library)} - {"", "__main__"}
    assert tops <= set(LAYERS)


def test_imports_point_downward(library: Path) -> None:
    assert upward(modules(library)) == []


def test_there_is_no_circle_of_imports(library: Path) -> None:
    assert circle(modules(library)) == []


def test_an_upward_import_and_a_circle_are_seen(tmp_path: Path) -> None:
    for name, text in {
        "system/a.py": "def late():\n    from wfdb2dicom.cli import b\n",
        "cli/b.py": "from wfdb2dicom.system.a import late\n",
        "errors.py": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert upward(modules(tmp_path)) == ["system.a -> cli.b"]
    assert set(circle(modules(tmp_path))) == {"system.a", "cli.b"}


def test_a_module_fits_on_some_pages(library: Path) -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules(library).items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_a_function_fits_on_a_page(library: Path) -> None:
    long = []
    for name, path in modules(library).items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            start = node.body[1].lineno if ast.get_docstring(node) and len(node.body) > 1 else node.lineno
            if (node.end_lineno or start) - start >= LONGEST_FUNCTION:
                long.append(f"{name}.{node.name}")
    assert long == []


def test_every_package_says_what_is_in_it(library: Path) -> None:
    silent = [
        name
        for name, path in modules(library).items()
        if path.name == "__init__.py" and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_scripts_make_nothing_else_importable(project: Path) -> None:
    importable = {path.stem for path in (project / "scripts").iterdir() if path.suffix == ".py" or path.is_dir()}
    importable = {name for name in importable if not name.startswith("__") and not name.endswith(".egg-info")}
    assert importable == {"wfdb2dicom", "run_convert", "Transform_WFDB_to_DICOM"}


def test_the_library_does_without_snakemake(project: Path, library: Path) -> None:
    names = [f"wfdb2dicom.{name}" for name in modules(library) if name and "__main__" not in name]
    script = "import importlib, sys\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n"
    script += "print(sorted(name for name in sys.modules if name.partition('.')[0] == 'snakemake'))"
    environment = os.environ | {"PYTHONPATH": str(project / "scripts")}
    run = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, env=environment)
    assert run.stdout == "[]\n", run.stderr


def definitions(tree: ast.Module) -> Iterator[str]:
    """The names that a module defines at its top level, and those of its classes as `Class.name`."""
    for node in tree.body:
        names = [name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)]
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in definitions(ast.Module(node.body, [])))
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [node.name]
        yield from names


def dangling(texts: dict[str, str], known: dict[str, set[str]]) -> list[str]:
    """References such as `wfdb2dicom.records.header.parse` to a module or name that is not there."""
    found = []
    for place, text in texts.items():
        for reference in re.findall(r"`wfdb2dicom\.([\w.]+\w)`", text):
            module, rest = reference, ""
            while module and module not in known:
                module, _, last = module.rpartition(".")
                rest = f"{last}.{rest}".rstrip(".")
            if rest and rest not in known[module]:
                found.append(f"{place}: {reference}")
    return found


def test_names_in_docstrings_and_documents_exist(project: Path, library: Path) -> None:
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(library).items()}
    known = {name: set(definitions(tree)) for name, tree in trees.items()}
    known[""] = set(wfdb2dicom.__all__)
    files = [*library.rglob("*.py"), *(project / "workflow").rglob("*.smk"), *(project / "docs").glob("*.md")]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    assert dangling(texts, known) == []
    assert dangling({"a": "see `wfdb2dicom.records.header.gone`"}, known) == ["a: records.header.gone"]


def test_nothing_is_defined_that_nothing_uses(project: Path, library: Path) -> None:
    """Every name appears at least twice: in its definition and where it is used."""
    sources = [*(project / "scripts").rglob("*.py"), *library.rglob("*.jinja"), *(project / "workflow").rglob("*.smk")]
    counts = Counter(re.findall(r"\w+", "\n".join(path.read_text(encoding="utf-8") for path in set(sources))))
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules(library).items()}
    unused = [
        f"{module}.{name}"
        for module, tree in trees.items()
        for name in definitions(tree)
        if counts[name.rpartition(".")[2]] == 1 and not name.endswith("_")  # Python calls those
    ]
    assert unused == []
