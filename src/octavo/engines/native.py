"""Run a bundle with Octavo's own runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError
from octavo.graph.spec import TensorSpec
from octavo.native import BundleSession, open_bundle

# As octavo.h numbers them.
_TYPES: dict[int, type] = {1: np.float32, 2: np.uint8, 3: np.int8, 4: np.int32, 5: np.uint16, 6: np.int16}


class NativeSession:
    """A compiled model ready to run; threads may share it, one runs at a time.

    Attributes:
        inputs: what it takes, in order; every shape is fixed.
        outputs: what it gives, in order.
        memory_bytes: what a run works in, beside inputs, outputs and the bundle itself.

    Raises:
        ModelError: the file cannot be read, or is no sound bundle.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        model = open_bundle(path)
        self._session = BundleSession(model)
        self.inputs = tuple(_spec(*each) for each in model.inputs)
        self.outputs = tuple(_spec(*each) for each in model.outputs)
        self.memory_bytes = model.session_bytes

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """Run on arrays in the order of `inputs`: the output, or a tuple of several.

        Raises:
            DataError: the arrays do not fit the inputs.
        """
        if len(inputs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs and was given {len(inputs)}")
        results = self._run([_fitting(spec, array) for spec, array in zip(self.inputs, inputs, strict=True)])
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run on arrays by name; the outputs by name. Contiguous arrays of the right type are read in place.

        Raises:
            DataError: an input is missing, unknown, or does not fit.
        """
        known = {spec.name for spec in self.inputs}
        unknown = [name for name in feeds if name not in known]
        missing = [spec.name for spec in self.inputs if spec.name not in feeds]
        if unknown or missing:
            what = f"takes no input '{unknown[0]}'" if unknown else f"needs the input '{missing[0]}'"
            raise DataError(f"the model {what}; it has {', '.join(sorted(known))}")
        results = self._run([_fitting(spec, feeds[spec.name]) for spec in self.inputs])
        return {spec.name: array for spec, array in zip(self.outputs, results, strict=True)}

    def _run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        results = [np.empty(_fixed(spec), spec.dtype) for spec in self.outputs]
        self._session.run(inputs, results)
        return results


def load(path: str | os.PathLike[str]) -> NativeSession:
    """Open a bundle that `octavo compile` wrote: `octavo.load("model.oct")(x)`.

    Raises:
        ModelError: the file cannot be read, or is no sound bundle.
    """
    return NativeSession(path)


def _fitting(spec: TensorSpec, array: NDArray[Any]) -> NDArray[Any]:
    given = np.asarray(array)
    if given.shape != spec.shape:
        raise DataError(f"input '{spec.name}' is of shape {given.shape}; the model was compiled for {spec.shape}")
    if given.dtype != spec.dtype and not (given.dtype.kind == spec.dtype.kind == "f"):
        raise DataError(f"input '{spec.name}' is of {given.dtype}; the model takes {spec.dtype}")
    return np.ascontiguousarray(given, spec.dtype).reshape(given.shape)


def _spec(name: str, dtype: int, shape: list[int]) -> TensorSpec:
    return TensorSpec(name, np.dtype(_TYPES[dtype]), tuple(shape))


def _fixed(spec: TensorSpec) -> tuple[int, ...]:
    return tuple(dim for dim in spec.shape if isinstance(dim, int))
