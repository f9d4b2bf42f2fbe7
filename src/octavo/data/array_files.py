"""Read and write arrays: .npy and .npz files, and weights of ONNX models."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError, OptionError
from octavo.graph import load
from octavo.system.files import write_bytes


def read_tensor(path: Path, name: str | None) -> NDArray[np.float32]:
    """The array `name` of a .npz or .onnx file as float32; `name` may be None where the file has one array.

    Raises:
        DataError: the file or the array cannot be read.
        ModelError: the ONNX file cannot be read.
    """
    arrays = _weights(path) if path.suffix == ".onnx" else _arrays(path)
    if name is None and len(arrays) == 1:
        name = next(iter(arrays))
    if name not in arrays:
        known = ", ".join(f"'{known}'" for known in list(arrays)[:20])
        raise DataError(f"{path} needs `tensor` with the name of one of its arrays: {known}")
    array = arrays[name]
    if array.dtype.kind not in "fiub":
        raise DataError(f"array '{name}' of {path} holds {array.dtype}; give one of real numbers")
    with np.errstate(over="ignore"):
        return np.asarray(array, np.float32)


def read_arrays(path: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """The inputs of a model by name: from a .npz, or from a .npy for a model with one input.

    Raises:
        DataError: the file cannot be read, or has no array for an input.
    """
    arrays = _arrays(path)
    if path.suffix == ".npy":
        if len(names) != 1:
            raise DataError(f"{path} holds one array and the model takes {len(names)}: {', '.join(names)}; give a .npz")
        return {names[0]: next(iter(arrays.values()))}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(f"{path} has no array '{missing[0]}', which the model takes; it holds {', '.join(arrays)}")
    return {name: arrays[name] for name in names}


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write one array as .npy, or any number as .npz.

    Raises:
        OptionError: the suffix is neither, or .npy for several arrays, or the file cannot be written.
    """
    content = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(content, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".npy" and len(arrays) == 1:
        np.save(content, next(iter(arrays.values())))
    else:
        suffixes = ".npy or .npz" if len(arrays) == 1 else f".npz, for there are {len(arrays)} outputs"
        raise OptionError(f"{path} cannot hold the result; choose a name that ends in {suffixes}")
    write_bytes(path, content.getvalue())


def _weights(path: Path) -> dict[str, NDArray[np.generic]]:
    values = load(path).graph.initializers.items()
    weights = {name: value.const_value.numpy() for name, value in values if value.const_value is not None}
    return {name: array for name, array in weights.items() if array.dtype.kind == "f"}


def _arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    try:
        loaded = np.load(path, allow_pickle=False)
        return {path.stem: loaded} if isinstance(loaded, np.ndarray) else dict(loaded)
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the path") from None
    except Exception as error:
        raise DataError(f"{path} is not a readable .npy, .npz or .onnx file ({error}); check it") from None
