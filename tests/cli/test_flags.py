"""Parameters of the library in messages, as options of the command line."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

import octavo
from octavo.cli.app import app
from octavo.cli.flags import flags_of, with_flags

SOURCE = Path(octavo.__file__).parent
# Options that only the command line prints.
OF_THE_COMMAND_LINE = {SOURCE / "cli", SOURCE / "report" / "terminal"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("give `evaluate` with `max_drop`", "give --evaluate with --max-drop"),
        ('quantize with `rungs="mix"`', "quantize with --rungs mix"),
        ("add `dims={'batch': (1, 512), 'time': 8}`", "add --dim batch=1..512 --dim time=8"),
        ("`batch=2` fixes it", "--batch 2 fixes it"),
        ("`allow_training=True` allows it", "--allow-training allows it"),
        ("set `preprocess.scale`", "set --input-scale"),
        ("`limit` and `overwrite`", "--samples and --force"),
        ("node `evaluated` and `x.y=z`", "node `evaluated` and `x.y=z`"),
    ],
)
def test_parameters_become_options(text: str, expected: str) -> None:
    assert with_flags(text, flags_of(get_command(app))) == expected


def texts(path: Path) -> list[str]:
    """The string literals of a file, without docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return [node.value for node in nodes if isinstance(node.value, str)]


def test_messages_of_the_library_name_no_options() -> None:
    files = [path for path in SOURCE.rglob("*.py") if not any(folder in path.parents for folder in OF_THE_COMMAND_LINE)]
    messages = [(path.name, text) for path in files for text in texts(path) if re.search(r"(^|[\s(])--[a-z]", text)]
    assert messages == []
