"""Functions given as `module:function`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from octavo.system.imports import is_function


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ("math:sqrt", True),
        ("os.path:join", True),
        ("math:pi", False),
        ("math:top1", False),
        ("logits:top1", False),
        ("layer/out:0:top1", False),
        ("a..b:top1", False),
        ("failing_here:top1", False),
        ("own_here:top1", True),
    ],
)
def test_only_functions_that_exist_are_found(
    spec: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "failing_here.py").write_text("1 / 0\n")
    (tmp_path / "own_here.py").write_text("def top1(outputs, reference):\n    return 1.0\n")
    try:
        assert is_function(spec) == found
    finally:
        for name in ("failing_here", "own_here"):
            sys.modules.pop(name, None)
