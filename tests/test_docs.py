"""What the documents say holds: pages, links, commands, options, code and fields."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import textwrap
import tomllib
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
import yaml

from octavo.affine import INT8
from octavo.cli import app
from octavo.ranges import RangeSketch
from octavo.result import QuantizationResult
from octavo.targets import read_target, target_names
from octavo.targets.target import Target

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [
    *PAGES,
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "examples" / "digits" / "README.md",
]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(path), re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[list[str]]:
    """Every indented line that calls octavo, split as a shell would, comments dropped."""
    lines = re.findall(r"^ {4,}(octavo .*)$", text(path), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


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
def test_links_lead_somewhere(path: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", text(path), flags=re.MULTILINE | re.DOTALL)
    targets = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", prose)]
    broken = [link for link in targets if link and "://" not in link and not (path.parent / link).exists()]
    assert not broken


@pytest.mark.parametrize("path", TEXTS, ids=named)
def test_commands_use_what_the_command_line_has(path: Path) -> None:
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


def test_reference_names_every_target() -> None:
    page = text(DOCS / "reference" / "targets.md")
    before_the_file = page.split("## The file")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)`", before_the_file, re.MULTILINE)) == target_names()


def test_contributing_shows_an_estimator_that_works() -> None:
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "python")
    names: dict[str, Any] = {}
    exec(compile(block, "rms.py", "exec"), names)
    sketch, values = RangeSketch(), np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    sketch.update(values)
    found = names["rms"](2.0)
    assert found.name == "rms:2"
    assert found.range(sketch, INT8, symmetric=False) == pytest.approx((-2.0, 2.0), rel=0.02)


def test_contributing_shows_a_target_that_loads(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "CONTRIBUTING.md", "toml")
    tomllib.loads(block)
    file = tmp_path / "my-board.toml"
    file.write_text(block, encoding="utf-8")
    target = read_target(file)
    assert isinstance(target, Target)
    assert target.name == "my-board"
    assert target.activations.symmetric


@pytest.mark.slow
def test_tutorial_runs_as_printed(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    page = DOCS / "tutorial.md"
    for _, *words in commands(page):
        run([sys.executable, "-c", "from octavo.cli import main; main()", *words], tmp_path)
    for block in blocks(page, "python"):
        if "result.save" in block:  # the same file as the command before it wrote
            (tmp_path / "digits.int8.onnx").unlink()
        run([sys.executable, "-c", block], tmp_path)


@pytest.mark.slow
def test_training_page_runs_as_printed(tmp_path: Path) -> None:
    for block in blocks(DOCS / "how-to" / "training.md", "python"):
        run([sys.executable, "-c", block], tmp_path)


@pytest.mark.slow
def test_pytorch_page_runs_as_printed(tmp_path: Path) -> None:
    page = DOCS / "how-to" / "pytorch.md"
    nets, *rest = blocks(page, "python")
    (tmp_path / "nets.py").write_text(nets, encoding="utf-8")
    for block in rest:
        run([sys.executable, "-c", block], tmp_path)
    np.savez(tmp_path / "calib.npz", image=np.random.default_rng(0).normal(size=(16, 1, 8, 8)))
    (tmp_path / "net.int8.onnx").unlink()
    for _, *words in commands(page):
        run([sys.executable, "-c", "from octavo.cli import main; main()", *words], tmp_path)


@pytest.mark.slow
def test_how_to_takes_over_a_module_as_printed(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    first, *_ = blocks(DOCS / "how-to" / "from-pytorch-quantized.md", "python")
    run([sys.executable, "-c", first], tmp_path)
    assert (tmp_path / "model.int8.onnx").is_file()


@pytest.mark.slow
def test_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("material")
    run([sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")], ROOT)
    assert (tmp_path / "site" / "index.html").is_file()


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, textwrap.shorten(shlex.join(command), 200) + "\n" + done.stderr
