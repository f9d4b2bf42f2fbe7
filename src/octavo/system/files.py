"""Atomic writes of small files."""

from __future__ import annotations

import os
from contextlib import suppress
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


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary file beside `path`, fsync, rename.

    Raises:
        OptionError: the file cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes to a temporary file beside `path`, fsync, rename.

    Raises:
        OptionError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OptionError(f"{path} cannot be written ({error.strerror}); choose another path") from None
    finally:
        with suppress(OSError):
            temporary.unlink()
