"""Inputs to export a module with, from the first calibration samples."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from octavo.errors import ModelError
from octavo.torch.translate import pytorch

_SAMPLES = 2


def first_inputs(module: Any, calibration: Any) -> tuple[Any, ...] | dict[str, Any]:
    """What forward takes, of the first samples of a file, of arrays, or of an iterable such as a DataLoader.

    Raises:
        ModelError: the samples are of another kind, or can be read only once.
    """
    torch = pytorch()
    names = list(inspect.signature(module.forward).parameters)
    found = _first(calibration)

    def tensor(value: Any) -> Any:
        return value if isinstance(value, torch.Tensor) else torch.tensor(np.asarray(value))

    if isinstance(found, Mapping):
        return {name: tensor(value) for name, value in found.items() if name in names}
    parts = found if isinstance(found, tuple | list) else (found,)
    return tuple(tensor(part) for part in parts[: _required(module)])


def _required(module: Any) -> int:
    """How many inputs forward cannot do without; what an item holds behind them are labels."""
    parameters = inspect.signature(module.forward).parameters.values()
    return max(sum(each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters), 1)


def _first(source: Any) -> Any:
    if isinstance(source, str | os.PathLike) and Path(source).suffix in (".npz", ".npy") and Path(source).is_file():
        read = np.load(source, allow_pickle=False)
        if isinstance(read, np.ndarray):
            return read[:_SAMPLES]
        with read:
            return {name: read[name][:_SAMPLES] for name in read.files if read[name].ndim}
    if isinstance(source, np.ndarray):
        return source[:_SAMPLES]
    if isinstance(source, Mapping):
        return {name: np.asarray(each)[:_SAMPLES] for name, each in source.items()}
    if isinstance(source, Iterable) and not isinstance(source, Iterator | str | os.PathLike):
        item = next(iter(source), None)
        if item is not None:
            return item
    raise ModelError("a PyTorch module needs example_inputs to be exported; give a tuple of what forward takes")
