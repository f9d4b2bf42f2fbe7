"""The documents are correct: pages, links, commands, options, code and fields; their examples run."""

from __future__ import annotations

import ast
import contextlib
import io
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml
from tests.helpers.placeholders import PREAMBLES, SPECIAL, folder_for, lay_out

import octavo.cli
from octavo.affine import INT8
from octavo.cli.app import app
from octavo.pipeline.result import QuantizationResult
from octavo.ranges import RangeSketch
from octavo.targets import read_target, target, target_names
from octavo.targets.target import Target

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted((ROOT / "examples").rglob("README.md")),
]
SHOWN = [path for path in TEXTS if path.name not in ("CONTRIBUTING.md", "CHANGELOG.md")]
PROGRAMS = ("octavo", "pip", "python3?", "make", "trtexec", r"\.")
# Examples that are not run, by their first characters, and the reasons.
NOT_RUN = {
    "pip install": "changes the environment",
    "python3 -m venv": "makes another environment",
    ". .venv/bin/activate": "changes the shell",
    "make ": "sets up an environment of its own",
    "python examples/": "tests/test_examples.py runs it",
    "python -m benchmarks.": "takes minutes to hours, on data that are not in the repository",
    "trtexec": "needs TensorRT and an NVIDIA GPU",
    "import nncf": "NNCF is not among the packages for tests",
}


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(path), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[list[str]]:
    """Every indented line that calls octavo, split as by a shell, without comments."""
    lines = re.findall(r"^ {4,}(octavo .*)$", text(path), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def steps(path: Path) -> list[str]:
    """Python blocks and indented commands, in the order of the page."""
    matches = re.finditer(
        rf"^```(?P<language>\w*)\n(?P<code>.*?)^```|^ {{4,}}(?P<command>(?:{'|'.join(PROGRAMS)}) [^\n]*)$",
        text(path),
        re.MULTILINE | re.DOTALL,
    )
    return [match["command"] or match["code"] for match in matches if match["command"] or match["language"] == "python"]


def runnable(path: Path) -> list[str]:
    """The steps without those that cannot run here."""
    return [step for step in steps(path) if not step.startswith(tuple(NOT_RUN))]


@cache
def options() -> dict[str, set[str]]:
    """The long options of each command of the real CLI."""
    group = typer.main.get_command(app)
    return {
        name: {opt for param in command.params for opt in param.opts if opt.startswith("--")} - {"--help"}
        for name, command in group.commands.items()  # type: ignore[attr-defined]
    }


def nav_pages(nav: list[object]) -> list[str]:
    pages: list[str] = []
    for entry in nav:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        pages += nav_pages(inner) if isinstance(inner, list) else [str(inner)]
    return pages


def test_navigation_names_every_page_once() -> None:
    nav = yaml.safe_load(text(ROOT / "mkdocs.yml"))["nav"]
    assert sorted(nav_pages(nav)) == sorted(str(page.relative_to(DOCS)) for page in PAGES)


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_links_resolve(path: Path) -> None:
    without_code = re.sub(r"^```.*?^```", "", text(path), flags=re.MULTILINE | re.DOTALL)
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", without_code)]
    broken = [link for link in targets if link and "://" not in link and not (path.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_commands_use_existing_options(path: Path) -> None:
    for _, name, *words in commands(path):
        assert name in options()
        unknown = {word for word in words if word.startswith("--")} - options()[name]
        assert not unknown, f"octavo {name}"


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_python_blocks_parse(path: Path) -> None:
    for block in blocks(path, "python"):
        ast.parse(block)


def test_reference_names_every_command_and_option() -> None:
    sections = re.split(r"^## octavo (\w+)$", text(DOCS / "reference" / "cli.md"), flags=re.MULTILINE)[1:]
    documented = {
        name: set(re.findall(r"^\| `(--[a-z-]+)", body, re.MULTILINE))
        for name, body in zip(sections[::2], sections[1::2], strict=True)
    }
    assert documented == options()


def test_reference_names_every_field_of_the_result() -> None:
    page = text(DOCS / "reference" / "json.md")
    expected = {field.name for field in fields(QuantizationResult)} - {"model", "float_model", "state"}
    assert set(re.findall(r"^\| `(\w+)`", page, re.MULTILINE)) == expected


def test_reference_names_every_target_with_its_grids() -> None:
    targets_hook = runpy.run_path(str(DOCS / "targets_hook.py"))
    page = targets_hook["on_page_markdown"](text(DOCS / "reference" / "targets.md"))
    before_the_file = page.split("## The file")[0]
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.*) \|$", before_the_file, re.MULTILINE))
    assert sorted(rows) == target_names()
    for name, row in rows.items():
        assert target(name).title in row
        assert f"`{target(name).weights}`" in row


def test_contributing_shows_an_estimator_that_works() -> None:
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block, "rms.py", "exec"), names)
    sketch, values = RangeSketch(), np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    sketch.update(values)
    estimator = names["rms"](2.0)
    assert estimator.name == "rms:2"
    assert estimator.range(sketch, INT8, symmetric=False) == pytest.approx((-2.0, 2.0), rel=0.02)


def test_contributing_shows_a_target_that_loads(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "toml")
    tomllib.loads(block)
    file = tmp_path / "my-board.toml"
    file.write_text(block, encoding="utf-8")
    board = read_target(file)
    assert isinstance(board, Target)
    assert board.name == "my-board"
    assert board.activations.symmetric


def test_skipped_steps_are_on_their_page() -> None:
    shown = [step for path in SHOWN for step in steps(path)]
    assert not [start for start in NOT_RUN if not any(step.startswith(start) for step in shown)]


def test_every_placeholder_belongs_to_a_page() -> None:
    assert {*SPECIAL, *PREAMBLES} <= {named(path) for path in SHOWN}


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the placeholder names; the INT8 model and its result come from the command line."""
    folder = tmp_path_factory.mktemp("common")
    lay_out(folder)
    run_command("octavo quantize model.onnx -c calib.npz -e eval.npz -o model.int8.onnx --json result.json", folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in SHOWN if runnable(path)], ids=named)
def test_pages_run_as_printed(path: Path, common: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octavo.pipeline.measure._TIME_SECONDS", 0.1)  # no page depends on the latency
    if any("torch" in step for step in runnable(path)):
        pytest.importorskip("torch")
    folder_for(named(path), common, tmp_path)
    for step in runnable(path):
        if step.startswith("octavo "):
            run_command(step, tmp_path)
        else:
            run_block(step, PREAMBLES.get(named(path), ""), tmp_path)


@pytest.mark.slow
def test_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")], ROOT)
    assert (tmp_path / "site" / "index.html").is_file()


def run_command(line: str, folder: Path) -> None:
    """Run an octavo command; outputs of an earlier one of the same name are removed first."""
    _, *words = shlex.split(line, comments=True)
    for option, value in pairwise(words):
        if option in ("-o", "--output", "--json", "--report"):
            (folder / value).unlink(missing_ok=True)
    if any(re.fullmatch(r"[a-z_]+:[a-z_]+", word) for word in words):
        # A module of this page must not stay imported for the next page.
        run([sys.executable, "-c", "from octavo.cli import main; main()", *words], folder)
        return
    errors = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        code = octavo.cli.run(words)
    assert code == 0, f"{line}\n{errors.getvalue()}"


def run_block(code: str, preamble: str, folder: Path) -> None:
    """Run a block of Python; a block that begins with a file name is written to that file, which others import."""
    module = re.match(r"# (\w+\.py)\n", code)
    if module is not None:
        (folder / module[1]).write_text(code, encoding="utf-8")
    for output in re.findall(r'save\((?:\w+, )?"([^"]+)"', code):
        (folder / output).unlink(missing_ok=True)
    run([sys.executable, "-c", preamble + code], folder)


def run(command: list[str], folder: Path) -> None:
    process = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert process.returncode == 0, textwrap.shorten(shlex.join(command), 200) + "\n" + process.stderr
