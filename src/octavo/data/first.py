"""The first samples of a source, before there is a model to hold them against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from octavo.data.files import open_rows
from octavo.data.iterables import unpacked
from octavo.data.names import REFERENCE_NAMES
from octavo.data.open import open_samples
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, as_array


def first_inputs(
    source: Any, names: Sequence[str], required: Sequence[str], preprocess: Preprocess | None = None
) -> Arrays | None:
    """A batch of inputs by name for what takes `names`, of which `required` cannot be left out.

    Floats are float32, axis 0 counts samples. None where that needs a model (images), where looking would use
    the samples up or their items may lack a batch axis (iterables but for a PyTorch DataLoader), or where it is
    not plain which array is which input.

    Raises:
        DataError: the file is missing or damaged, or holds no arrays of numbers.
    """
    item: Any
    if isinstance(source, str | os.PathLike):
        item = _of_file(Path(source))
    elif isinstance(source, Mapping):
        item = {str(name): as_array(value, f"array '{name}'")[:1] for name, value in source.items()}
    elif isinstance(source, np.ndarray):
        item = source[:1]
    elif getattr(source, "batch_sampler", None) is not None:
        item = next(iter(source), None)
    else:
        return None
    found = _by_name(unpacked(item), names, required)
    if found is None or any(array.size == 0 for array in found.values()):
        return None
    return {name: _prepared(array, preprocess) for name, array in found.items()}


def _of_file(path: Path) -> Arrays | None:
    if path.is_dir():
        return None
    if not path.exists() or path.suffix.lower() not in (".npz", ".npy"):
        open_samples(path, ())  # says what is wrong with it
    with ExitStack() as stack:
        return {name: rows.read(1) for name, rows in open_rows(path, stack).items() if rows.shape}


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
