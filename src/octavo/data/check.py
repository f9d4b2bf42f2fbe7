"""Check samples against the model's inputs, with lossless conversions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays
from octavo.errors import DataError
from octavo.graph.spec import TensorSpec


def check_inputs(inputs: Arrays, specs: Sequence[TensorSpec], preprocess: Preprocess | None, start: int) -> Arrays:
    """The inputs of a batch in the dtypes of the model.

    Raises:
        DataError: a rank, a static dimension, a dtype or a value does not match; the message names the input and the
            first such sample.
    """
    checked = {spec.name: _check(inputs[spec.name], spec, preprocess, start) for spec in specs}
    sizes = {name: len(array) for name, array in checked.items()}
    if len(set(sizes.values())) > 1:
        raise DataError(f"the inputs of sample {start} differ in batch size ({sizes}); give one row per sample in each")
    return checked


def _check(array: NDArray[Any], spec: TensorSpec, preprocess: Preprocess | None, start: int) -> NDArray[Any]:
    if not spec.shape:
        raise DataError(
            f"the model's input '{spec.name}' has no shape, or is a scalar; "
            "export it with a first axis that counts samples"
        )
    if array.ndim != len(spec.shape):
        raise DataError(
            f"input '{spec.name}' has shape {list(array.shape)} but the model takes {_shape(spec)}; "
            "the first axis counts samples"
        )
    mismatched = [i for i, dim in enumerate(spec.shape) if i > 0 and isinstance(dim, int) and dim != array.shape[i]]
    if mismatched:
        axis = mismatched[0]
        raise DataError(
            f"input '{spec.name}' has {array.shape[axis]} on axis {axis} but the model takes {_shape(spec)}; "
            "preprocess the data as for the float model"
        )
    converted = _convert(array, spec, preprocess, start)
    if converted.dtype.kind == "f" and not bool(np.isfinite(converted).all()):
        rows = ~np.isfinite(converted).reshape(len(converted), -1).all(axis=1)
        raise DataError(
            f"input '{spec.name}' of sample {start + int(np.argmax(rows))} holds NaN or infinity; remove it"
        )
    return converted


def _convert(array: NDArray[Any], spec: TensorSpec, preprocess: Preprocess | None, start: int) -> NDArray[Any]:
    expected = spec.dtype
    if expected.kind == "f" and preprocess is not None and preprocess.scale is not None and array.dtype.kind in "iub":
        if preprocess.mean is not None or preprocess.std is not None:
            raise DataError(
                f"input '{spec.name}' holds {array.dtype}, and mean and std are for folders of images; "
                "state them as scale and offset, or store floats"
            )
        return preprocess.numbers(array).astype(expected)
    if array.dtype == expected:
        return array
    if expected.kind == "f" and array.dtype.kind in "iub":
        raise DataError(
            f"input '{spec.name}' holds {array.dtype} but the model takes {expected}; "
            "state how to convert it with `preprocess.scale` and `preprocess.offset`, or store floats"
        )
    if expected.kind == array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            return array.astype(expected)
    if expected.kind in "iub" and array.dtype.kind in "iub":
        converted = array.astype(expected)
        if bool(np.array_equal(converted, array)):
            return converted
    raise DataError(
        f"input '{spec.name}' holds {array.dtype} but the model takes {expected}; convert the data (sample {start})"
    )


def _shape(spec: TensorSpec) -> str:
    return "[" + ", ".join("?" if dim is None else str(dim) for dim in spec.shape) + "]"
