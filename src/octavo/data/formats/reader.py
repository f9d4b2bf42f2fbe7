"""ONNX Runtime's CalibrationDataReader: `get_next()` until it returns None, and `rewind()` where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from octavo.data.formats.format import Format
from octavo.data.formats.iterables import IterableSamples
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Source
from octavo.graph.spec import TensorSpec


def _open(reader: Any, specs: Sequence[TensorSpec], preprocess: Preprocess) -> Source:
    return IterableSamples(lambda: _items(reader), specs, one_pass=not hasattr(reader, "rewind"))


def _items(reader: Any) -> Iterator[Any]:
    if hasattr(reader, "rewind"):
        reader.rewind()
    return iter(reader.get_next, None)


class _Example:
    """A reader of one batch."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self.rewind()

    def get_next(self) -> Arrays | None:
        return next(self._items, None)

    def rewind(self) -> None:
        self._items = iter([self._arrays])


def _example(folder: Path, arrays: Arrays) -> _Example:
    return _Example(arrays)


READER = Format(
    name="reader",
    description="a CalibrationDataReader",
    accepts=lambda source: hasattr(source, "get_next"),
    open=_open,
    example=_example,
)
