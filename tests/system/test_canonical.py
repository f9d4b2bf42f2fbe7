"""Canonical text: the same in every process, different for different values."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

from octavo.system.canonical import canonical

_PRINT = (
    "from octavo.targets import target\n"
    "from octavo.system.canonical import canonical\n"
    "print(canonical((target('x86-vnni'), 1.5, None)))"
)


@dataclass(frozen=True)
class Pair:
    left: object
    right: object


def test_order_of_sets_and_mappings_does_not_matter() -> None:
    assert canonical({"b": {2, 1}, "a": 0}) == canonical({"a": 0, "b": frozenset({1, 2})})
    assert canonical([1, 2]) != canonical([2, 1])


def test_different_values_have_different_texts() -> None:
    values = [None, 0, 0.0, "", "0", [], {}, set(), [0], {0}, Pair(0, 1), Pair(1, 0), Pair(0, [1]), ["Pair"], True]
    assert len({canonical(value) for value in values}) == len(values)


def test_a_target_has_one_text_in_all_processes() -> None:
    texts = {
        subprocess.run(
            [sys.executable, "-c", _PRINT],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1
