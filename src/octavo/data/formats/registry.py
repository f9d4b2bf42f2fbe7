"""Registry of input formats. A new format is a file in this folder and its entry in `FORMATS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from octavo.data.formats.arrays import ARRAYS
from octavo.data.formats.format import Format
from octavo.data.formats.image_folder import IMAGE_FOLDER
from octavo.data.formats.iterables import ITERABLE
from octavo.data.formats.npy import NPY
from octavo.data.formats.npz import NPZ
from octavo.data.formats.reader import READER
from octavo.errors import DataError

# The first that accepts a source opens it. ITERABLE accepts whatever can be iterated, hence last.
FORMATS: tuple[Format, ...] = (
    NPZ,
    NPY,
    IMAGE_FOLDER,
    ARRAYS,
    READER,
    ITERABLE,
)


def format_of(source: Any) -> Format:
    """The format of a source.

    Raises:
        DataError: the path does not exist or is an empty file, or no format accepts the source.
        OSError: the file system refuses access.
    """
    if isinstance(source, Path):
        if not source.exists():
            raise DataError(f"data file {source} does not exist; check the path")
        if source.is_file() and source.stat().st_size == 0:
            raise DataError(f"data file {source} is empty; write it again")
    accepting = next((known for known in FORMATS if known.accepts(source)), None)
    if accepting is not None:
        return accepting
    what = f"data file {source}" if isinstance(source, Path) else f"data of type {type(source).__name__}"
    *others, last = (known.description for known in FORMATS)
    raise DataError(f"{what} has an unsupported format; give {', '.join(others)} or {last}")


@contextmanager
def readable(source: Any) -> Iterator[None]:
    """Report an OSError on a path as a DataError.

    Raises:
        DataError: the file system refuses access.
    """
    try:
        yield
    except OSError as error:
        if not isinstance(source, Path):
            raise
        raise DataError(f"{source} cannot be read ({error.strerror}); check path and permissions") from None
