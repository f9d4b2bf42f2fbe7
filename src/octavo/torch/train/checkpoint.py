"""Training checkpoints: the training state on disk, to resume after an interruption."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from octavo.system.files import write_bytes

_VERSION = 1


def write_checkpoint(path: Path, key: str, state: dict[str, Any]) -> None:
    """Write the checkpoint atomically.

    Args:
        path: file to replace.
        key: identifies the network, the data and the settings.
        state: tensors and plain types.

    Raises:
        OptionError: the file cannot be written.
    """
    content = io.BytesIO()
    torch.save({"version": _VERSION, "key": key, **state}, content)
    write_bytes(path, content.getvalue())


def read_checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """Read a checkpoint; None if it is missing, damaged, or was written with another key."""
    try:
        content = torch.load(path, weights_only=True)
    except Exception:
        # Damaged archives raise many exception types. `weights_only` restricts loading to tensors and plain types.
        return None
    known = isinstance(content, dict) and (content.get("version"), content.get("key")) == (_VERSION, key)
    return content if known else None
