"""User-defined metrics: their arguments, and the messages when they fail."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.errors import DataError, OptionError
from octavo.measure.metrics import metric
from octavo.measure.metrics.custom import custom

SOURCE = """
import numpy as np

LIMIT = 3

def share(outputs, reference):
    return float((outputs["y"] > reference["floor"]).mean())
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with importable modules, which are unloaded afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_receives_outputs_and_reference_by_name() -> None:
    received: list[Any] = []

    def mine(outputs: dict[str, Any], reference: dict[str, Any]) -> np.float32:
        received.extend([outputs, reference])
        return np.float32(1.5)

    measure = custom(mine)
    outputs, reference = {"a": np.ones(2), "b": np.zeros(2)}, {"labels": np.arange(2)}
    assert measure.score is not None
    assert measure.score(outputs, reference, {}) == 1.5
    assert received == [outputs, reference]
    assert (measure.name, measure.lower_is_better) == ("mine", False)


def test_is_found_in_the_working_directory(folder: Path) -> None:
    (folder / "measures_of_mine.py").write_text(SOURCE)
    measure = metric("measures_of_mine:share")
    assert measure.name == "measures_of_mine:share"
    assert measure.score is not None
    assert measure.score({"y": np.arange(4)}, {"floor": np.full(4, 1)}, {}) == 0.5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("measures_of_nobody:share", "No module named 'measures_of_nobody'"),
        ("measures_of_mine:absent", "absent"),
        ("measures_of_mine:", "cannot be imported"),
        (":share", "cannot be imported"),
        (".measures_of_mine:share", "cannot be imported"),
        ("measures_of_mine:LIMIT", "is not a function"),
        ("typing_error:share", "typing_error.py, line 1"),
        ("raising:share", "division by zero"),
    ],
)
def test_an_import_failure_is_explained_in_one_sentence(folder: Path, spec: str, message: str) -> None:
    (folder / "measures_of_mine.py").write_text(SOURCE)
    (folder / "typing_error.py").write_text("def share(:\n")
    (folder / "raising.py").write_text("1 / 0\n")
    with pytest.raises(OptionError, match=message) as caught:
        metric(spec)
    assert str(caught.value).startswith(f"metric {spec} ")
    assert "\n" not in str(caught.value)


def _raises(outputs: Any, reference: Any) -> float:
    raise KeyError("mask\ntrue")


@pytest.mark.parametrize(
    ("function", "message"),
    [(_raises, "KeyError: 'mask"), (lambda o, r: None, "TypeError"), (lambda o, r: np.ones(3), "TypeError")],
)
def test_a_failing_function_is_explained_in_one_sentence(function: Any, message: str) -> None:
    score = custom(function, "mine").score
    assert score is not None
    with pytest.raises(DataError, match=f"metric mine failed with {message}") as caught:
        score({}, {}, {})
    assert "\n" not in str(caught.value)


def test_a_function_named_like_a_metric_is_still_found(folder: Path) -> None:
    (folder / "measures_of_mine.py").write_text(SOURCE.replace("share", "top1"))
    found = metric("measures_of_mine:top1")
    assert (found.name, found.output) == ("measures_of_mine:top1", "")
