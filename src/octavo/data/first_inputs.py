"""The first inputs of a source, read before there is a model to check them against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octavo.data.formats.registry import format_of, readable
from octavo.data.items import unpack_labels
from octavo.data.names import REFERENCE_NAMES
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, as_array
from octavo.errors import DataError


def first_inputs(
    source: Any, names: Sequence[str], required: Sequence[str], preprocess: Preprocess | None = None
) -> Arrays | None:
    """A batch of inputs by name for a function with the parameters `names`, of which `required` have no default.

    Floats are float32; axis 0 counts samples. None where the format cannot be read without the model or without
    consuming the source, or where the assignment of arrays to inputs is ambiguous.

    Raises:
        DataError: the file is missing or damaged, or holds no arrays of numbers.
    """
    if isinstance(source, str | os.PathLike):
        source = Path(source)
    with readable(source):
        item = _peek(source)
    arrays = _by_name(unpack_labels(item), names, required)
    if arrays is None or any(array.size == 0 for array in arrays.values()):
        return None
    return {name: _prepared(array, preprocess) for name, array in arrays.items()}


def _peek(source: Any) -> Any:
    """The first item; None where the source is not a path and has no supported format."""
    try:
        known = format_of(source)
    except DataError:
        if isinstance(source, Path):
            raise
        return None
    return known.peek(source)


def _by_name(item: Any, names: Sequence[str], required: Sequence[str]) -> Arrays | None:
    if item is None or not required:
        return None
    if not isinstance(item, Mapping):
        parts = list(item) if isinstance(item, tuple | list) else [item]
        if len(parts) not in (len(required), len(required) + 1):
            return None
        return {name: as_array(part, "item 0") for name, part in zip(required, parts, strict=False)}
    arrays = {str(name): as_array(value, f"array '{name}' of item 0") for name, value in item.items()}
    inputs = {name: array for name, array in arrays.items() if name not in REFERENCE_NAMES}
    if len(required) == 1 and len(inputs) == 1:
        return dict(zip(required, inputs.values(), strict=True))
    return {name: inputs[name] for name in names if name in inputs} if inputs.keys() >= set(required) else None


def _prepared(array: Any, preprocess: Preprocess | None) -> Any:
    if array.dtype.kind in "iub" and preprocess is not None and preprocess.scale is not None:
        return preprocess.numbers(array)
    return array.astype(np.float32) if array.dtype.kind == "f" else array
