"""The course of a training on disk, so that Ctrl-C or a killed process loses little."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from octavo.system.files import write_bytes

_VERSION = 1


def write_checkpoint(path: Path, key: str, course: dict[str, Any]) -> None:
    """Replace the checkpoint as a whole.

    Raises:
        OptionError: the file cannot be written.
    """
    content = io.BytesIO()
    torch.save({"version": _VERSION, "key": key, **course}, content)
    write_bytes(path, content.getvalue())


def read_checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """What was written for the same network, data and settings; None otherwise, or where the file is damaged."""
    try:
        found = torch.load(path, weights_only=True)
    except Exception:
        # A damaged archive fails in many ways; only tensors and plain types are ever read.
        return None
    known = isinstance(found, dict) and (found.get("version"), found.get("key")) == (_VERSION, key)
    return found if known else None
