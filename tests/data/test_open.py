"""Selection of the input format of a source, and unsupported sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.sample_data import VALUES, inputs, opened, refusal

from octavo.errors import DataError, OptionError


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_may_be_str_or_path(kind: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "calib.npz", x=VALUES)
    np.testing.assert_array_equal(inputs(opened(kind(tmp_path / "calib.npz")))["x"], VALUES)


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("none.npz", None, ("none.npz", "does not exist")),
        ("gone/none.npz", None, ("does not exist",)),
        ("calib.npz", b"", ("calib.npz", "is empty")),
        ("calib.npy", b"", ("calib.npy", "is empty")),
        ("calib.unknown", b"1,2,3", ("calib.unknown", "unsupported format", "a .npz file")),
        ("calib", b"1,2,3", ("calib", "unsupported format")),
        ("n" * 300, None, ("cannot be read", "too long")),
    ],
)
def test_an_unusable_path_is_refused(name: str, content: bytes | None, parts: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    refusal(lambda: opened(path), DataError, *parts)


def test_an_operating_system_error_is_not_reported_as_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "calib.npz"
    np.savez(path, x=VALUES)

    def refuse(*args: Any, **options: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    message = refusal(lambda: opened(path), DataError, "calib.npz", "Permission denied", "permissions")
    assert "numpy" not in message


@pytest.mark.parametrize(("source", "name"), [(None, "NoneType"), (3, "int"), (len, "builtin_function_or_method")])
def test_an_unsupported_type_is_named(source: Any, name: str) -> None:
    refusal(lambda: opened(source), DataError, name, "unsupported format", "a .npz file")


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(limit: int) -> None:
    refusal(lambda: opened(VALUES, limit=limit), OptionError, f"limit of {limit}")
