"""Rooms import only rooms below them: the imports of every source file against the order in docs/design.md."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import octavo

SOURCE = Path(octavo.__file__).parent

# From bottom to top; rooms on one level do not import each other.
FLOORS = [
    {"errors"},
    {"system"},
    {"affine", "native"},
    {"ranges", "targets"},
    {"graph"},
    {"engines"},
    {"data"},
    {"calibrate"},
    {"quantizer"},
    {"measure"},
    {"compiler"},
    {"torch"},
    {"recover"},
    {"export"},
    {"report"},
    {"pipeline"},
    {"__init__"},
    {"cli"},
    {"__main__"},
]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor}

# Packages that only one room may import, also inside functions.
KEPT = {
    "onnxruntime": {"engines"},
    "PIL": {"data"},
    "torch": {"torch"},
    "openvino": {"engines"},
    "typer": {"cli"},
    "click": {"cli"},
    "rich": {"report", "cli"},
    "yaml": {"pipeline"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "psutil": {"measure"},
    "onnxscript": {"graph"},
    "onnx": {"graph", "engines"},
}
# The compiled module is not a room; only one room imports it.
COMPILED, ITS_ROOM = "octavo.native._native", "native"
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    """The room of a file: a folder of the package, or a file next to the folders."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The dotted names of all modules that a file imports, also inside functions."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            module = node.module or ""
            modules |= {f"octavo.{alias.name}" for alias in node.names} if module == "octavo" else {module}
    return modules


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def test_every_room_has_a_level() -> None:
    rooms = {room(path) for path in FILES}
    assert rooms <= set(LEVEL), "give the new room its place in FLOORS, and in docs/design.md"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_imports_only_from_lower_rooms(path: Path) -> None:
    importer = room(path)
    internal = {name.split(".")[1] for name in imports(path) if name.startswith("octavo.")}
    imported = {other for other in internal if other in LEVEL and other != importer}
    assert {other for other in imported if LEVEL[other] >= LEVEL[importer]} == set()


@pytest.mark.parametrize("path", FILES, ids=named)
def test_packages_stay_in_their_rooms(path: Path) -> None:
    packages = {name.split(".")[0] for name in imports(path)} - {"octavo"}
    assert {name for name in packages & set(KEPT) if room(path) not in KEPT[name]} == set()
    allowed = {*KEPT, "numpy", "onnx_ir", *sys.stdlib_module_names}
    assert packages <= allowed, "a new dependency: say in KEPT which room may import it"


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_compiled_module_is_reached_through_its_room(path: Path) -> None:
    assert COMPILED not in imports(path) or room(path) == ITS_ROOM


def test_the_design_page_lists_the_imports_of_each_room() -> None:
    """Compare its table, including transitive imports, with the imports between folders."""
    page = (SOURCE.parents[1] / "docs" / "design.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    stated = {name: set(re.findall(r"`(\w+)`", row[3])) for row in rows for name in re.findall(r"`(\w+)`", row[1])}
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert set(stated) == {*folders, "cli"}
    for path in FILES:
        importer = room(path)
        if importer not in folders:
            continue
        allowed = below(importer, stated) | {importer}
        used = {name.split(".")[1] for name in imports(path) if name.startswith("octavo.")} & folders
        assert used <= allowed, named(path)


def below(importer: str, stated: dict[str, set[str]]) -> set[str]:
    """The rooms that a room may import, including transitive ones."""
    return stated[importer].union(*(below(other, stated) for other in stated[importer]))


def files_imported(path: Path) -> Iterator[Path]:
    """The files of the package that a file imports: modules, and packages from which a name is imported."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            names = [f"{module}.{alias.name}" if file_of(f"{module}.{alias.name}") else module for alias in node.names]
        else:
            continue
        yield from (file for name in names if (file := file_of(name)) is not None)


def file_of(module: str) -> Path | None:
    path = SOURCE.parent.joinpath(*module.split("."))
    return next(
        (candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate in ALL_FILES), None
    )


ALL_FILES = frozenset(FILES)


def test_there_are_no_import_cycles() -> None:
    """Imports inside functions and for type checkers count; the lazy names of octavo/__init__.py do not."""
    waiting = {path: {*files_imported(path)} - {path} for path in FILES if path != SOURCE / "__init__.py"}
    while free := [path for path, imported in waiting.items() if not imported & waiting.keys()]:
        for path in free:
            del waiting[path]
    assert sorted(named(path) for path in waiting) == []


def test_few_files_are_outside_of_the_rooms() -> None:
    assert len([path for path in SOURCE.iterdir() if path.is_file()]) <= 4


@pytest.mark.parametrize("path", FILES, ids=named)
def test_no_file_exceeds_the_maximum_length(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_all_forms_of_import_are_found(tmp_path: Path) -> None:
    text = "import rich.table as t\nfrom octavo import report\ndef f():\n    from octavo.cli import app\n"
    (tmp_path / "a.py").write_text(text, encoding="utf-8")
    assert imports(tmp_path / "a.py") == {"rich.table", "octavo.report", "octavo.cli"}
