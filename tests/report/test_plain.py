"""Conversion of result objects to plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np

from octavo.affine import Grid
from octavo.report.plain import plain


class Color(IntEnum):
    DARK_RED = 3


@dataclass(frozen=True)
class Inner:
    name: str
    grid: Grid = field(default_factory=lambda: Grid.parse("int8[-127,127]"))


@dataclass
class Outer:
    parts: tuple[Inner, ...]
    other: Any


def test_dataclasses_become_dicts_and_grids_their_text() -> None:
    value = Outer((Inner("a"), Inner("b")), None)
    grid = "int8[-127,127]"
    assert plain(value) == {"parts": [{"name": "a", "grid": grid}, {"name": "b", "grid": grid}], "other": None}


def test_every_type_becomes_one_of_json() -> None:
    value = {
        "array": np.arange(4, dtype=np.float32).reshape(2, 2),
        "number": np.float32(0.5),
        "dtype": np.dtype("float32"),
        "enumeration": Color.DARK_RED,
        "path": Path("a") / "b",
        "set": frozenset({"b", "a"}),
        "bool": True,
        3: (1, 2),
    }
    assert json.loads(json.dumps(plain(value))) == {
        "array": [[0.0, 1.0], [2.0, 3.0]],
        "number": 0.5,
        "dtype": "float32",
        "enumeration": "dark_red",
        "path": str(Path("a") / "b"),
        "set": ["a", "b"],
        "bool": True,
        "3": [1, 2],
    }
