"""One array out of a file: NumPy's own formats, or a weight of an ONNX model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError
from octavo.graph import load


def read_tensor(path: Path, name: str | None) -> NDArray[np.float32]:
    """The array `name` of a .npz or .onnx file, or the only one there is; a .npy file holds one.

    Raises:
        DataError: the file or the array cannot be read.
        ModelError: the ONNX file cannot be read.
    """
    arrays = _weights(path) if path.suffix == ".onnx" else _arrays(path)
    if name is None and len(arrays) == 1:
        name = next(iter(arrays))
    if name not in arrays:
        known = ", ".join(f"'{each}'" for each in list(arrays)[:20])
        raise DataError(f"{path} needs --tensor with the name of one of its arrays: {known}")
    array = arrays[name]
    if array.dtype.kind not in "fiub":
        raise DataError(f"array '{name}' of {path} holds {array.dtype}; give one of real numbers")
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)


def _weights(path: Path) -> dict[str, NDArray[np.generic]]:
    values = load(path).graph.initializers.items()
    found = {name: value.const_value.numpy() for name, value in values if value.const_value is not None}
    return {name: array for name, array in found.items() if array.dtype.kind == "f"}


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        return {path.stem: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path") from None
    except Exception as error:
        raise DataError(f"{path} is not a readable .npy, .npz or .onnx file ({error}); check it") from None
