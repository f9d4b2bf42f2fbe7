"""Paths of files to write."""

from __future__ import annotations

import os
from pathlib import Path

from octavo.errors import OptionError


def new_path(path: str | os.PathLike[str], overwrite: bool) -> Path:
    """The path of a file to write.

    Raises:
        OptionError: the file exists and `overwrite` is not set.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OptionError(f"{path} exists; choose another path or set `overwrite`")
    return path
