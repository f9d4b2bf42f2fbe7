"""Text files are written atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from octavo.errors import OptionError
from octavo.system.files import write_text

TEXT = "scale: 1/255 — größe\n"


def test_an_existing_file_is_replaced_and_no_temporary_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for text in ("old and much longer than what follows\n" * 9, TEXT):
        write_text(path, text)
        assert path.read_bytes() == text.encode("utf-8")
    assert os.listdir(tmp_path) == ["recipe.yaml"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone/recipe.yaml", "No such file"),
        ("file/recipe.yaml", "Not a directory"),
        ("folder", "Is a directory"),
        ("n" * 251, "too long"),
    ],
)
def test_an_unwritable_path_is_refused(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OptionError, match=f"{reason}.*; choose another path") as caught:
        write_text(tmp_path / name, TEXT)
    assert str(tmp_path / name) in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


@pytest.mark.parametrize(
    ("broken", "error", "expected"),
    [
        ("fsync", OSError(28, "No space left on device"), OptionError),
        ("replace", PermissionError(13, "Permission denied"), OptionError),
        ("fsync", KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_write_keeps_the_existing_file(
    broken: str, error: BaseException, expected: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("old")

    def fail(*args: Any) -> None:
        raise error

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(expected):
        write_text(path, TEXT)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["recipe.yaml"]


def test_text_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, calls = tmp_path / "recipe.yaml", []
    sync, replace = os.fsync, os.replace

    def syncing(descriptor: int) -> None:
        sync(descriptor)
        calls.append(("sync", os.fstat(descriptor).st_size, path.exists()))

    def renaming(source: Path, target: Path) -> None:
        calls.append(("rename", source.stat().st_size, path.exists()))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", renaming)
    write_text(path, TEXT)
    size = len(TEXT.encode())
    assert calls == [("sync", size, False), ("rename", size, False)]
