"""Run a bundle with Octavo's own runtime."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError
from octavo.graph.spec import TensorSpec
from octavo.native import open_bundle, open_session

# As octavo.h numbers them.
_TYPES: dict[int, type] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.int32, 5: np.uint16, 6: np.int16, 7: np.int64, 8: np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class OperatorCost:
    """What one operator of a bundle takes in a run.

    Attributes:
        name: that of the node it was made from.
        kind: the runtime's kind of operator.
        milliseconds: the median of the runs that were timed.
        bytes: of its operands, constants and result.
        multiply_adds: of a product or convolution; 0 for others.
    """

    name: str
    kind: str
    milliseconds: float
    bytes: int
    multiply_adds: int

    @property
    def gops(self) -> float | None:
        """Billions of multiplications and additions a second; None where there are none to count."""
        if self.multiply_adds == 0 or self.milliseconds == 0.0:
            return None
        return 2e-6 * self.multiply_adds / self.milliseconds


class NativeSession:
    """A compiled model ready to run; threads may share it, one runs at a time.

    Args:
        path: a bundle's file.
        threads: that share the work of each operator; the results are the same on any number.

    Attributes:
        inputs: what it takes, in order; an axis whose length is left open has the name of its size.
        outputs: what it gives, in order; None stands for a length that follows from sizes in another way.

    Raises:
        ModelError: the file cannot be read, or is no sound bundle.
        OptionError: there are less than 1 or more than 256 threads, or the system refuses to start them.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        model = open_bundle(path)
        self._session = open_session(model, threads)
        self._lock = Lock()
        self._shapes = tuple(tuple(each[2]) for each in model.inputs)
        self._results = [each[2] for each in model.outputs]
        self.inputs = tuple(_spec(*each) for each in model.inputs)
        self.outputs = tuple(_spec(*each) for each in model.outputs)
        self._names = tuple(spec.name for spec in self.inputs)

    @property
    def memory_bytes(self) -> int:
        """What a run works in, beside inputs, outputs and the bundle itself: as much as the largest so far needed."""
        return self._session.memory_bytes

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """Run on arrays in the order of `inputs`: the output, or a tuple of several.

        Raises:
            DataError: the arrays do not fit the inputs.
        """
        found = self._session.run_quickly(inputs)
        if found is not None:
            return found
        if len(inputs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs and was given {len(inputs)}")
        results = self._run([_fitting(spec, array) for spec, array in zip(self.inputs, inputs, strict=True)])
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run on arrays by name; the outputs by name. Contiguous arrays of the right type are read in place.

        Raises:
            DataError: an input is missing, unknown, or does not fit.
        """
        found = self._session.run_feeds_quickly(feeds)
        if found is not None:
            return found
        if len(feeds) != len(self._names) or not all(name in feeds for name in self._names):
            self._refuse(feeds)
        results = self._run([_fitting(spec, feeds[spec.name]) for spec in self.inputs])
        return {spec.name: array for spec, array in zip(self.outputs, results, strict=True)}

    def time_operators(self, feeds: Mapping[str, NDArray[Any]], runs: int) -> list[OperatorCost]:
        """Run so many times on arrays by name and say what each operator took, in the order in which they run.

        Raises:
            DataError: an input is missing, unknown, or does not fit.
        """
        self.run(feeds)
        taken = []
        try:
            for _ in range(runs):
                self._session.time(True)
                self.run(feeds)
                found = self._session.operators()
                taken.append([each[3] for each in found])
        finally:
            self._session.time(False)
        middle = np.median(taken, axis=0) * 1e-6
        return [
            OperatorCost(name, kind, float(milliseconds), size, multiply_adds)
            for (name, kind, _, _, size, multiply_adds), milliseconds in zip(found, middle, strict=True)
        ]

    def _run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        with self._lock:
            self._fit(tuple(array.shape for array in inputs))
            results = [np.empty(shape, spec.dtype) for shape, spec in zip(self._results, self.outputs, strict=True)]
            self._session.run(inputs, results)
        return results

    def _refuse(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        unknown = [name for name in feeds if name not in self._names]
        missing = [name for name in self._names if name not in feeds]
        what = f"takes no input '{unknown[0]}'" if unknown else f"needs the input '{missing[0]}'"
        raise DataError(f"the model {what}; it has {', '.join(sorted(self._names))}")

    def _fit(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Fit the session to inputs of these shapes.

        Raises:
            DataError: the model does not run at these sizes.
        """
        if shapes == self._shapes:
            return
        try:
            self._results = self._session.resize(shapes)
        except ValueError as error:
            raise DataError(f"these inputs do not fit: {error}") from None
        self._shapes = shapes


def load(path: str | os.PathLike[str], *, threads: int = 1) -> NativeSession:
    """Open a bundle that `octavo compile` wrote: `octavo.load("model.oct")(x)`.

    Args:
        path: the bundle's file.
        threads: that share the work of each operator; the results are the same on any number.

    Raises:
        ModelError: the file cannot be read, or is no sound bundle.
        OptionError: there are less than 1 or more than 256 threads, or the system refuses to start them.
    """
    return NativeSession(path, threads=threads)


def _fitting(spec: TensorSpec, array: NDArray[Any]) -> NDArray[Any]:
    given = np.asarray(array)
    if given.shape == spec.shape and given.dtype == spec.dtype and given.flags.c_contiguous:
        return given
    dims = zip(spec.shape, given.shape, strict=False)
    if given.ndim != len(spec.shape) or any(isinstance(dim, int) and dim != length for dim, length in dims):
        raise DataError(f"input '{spec.name}' is of shape {given.shape}; the model was compiled for {_form(spec)}")
    if given.dtype != spec.dtype and not (given.dtype.kind == spec.dtype.kind == "f"):
        raise DataError(f"input '{spec.name}' is of {given.dtype}; the model takes {spec.dtype}")
    return np.ascontiguousarray(given, spec.dtype).reshape(given.shape)


def _form(spec: TensorSpec) -> str:
    return f"({', '.join(str(dim) for dim in spec.shape)}{',' * (len(spec.shape) == 1)})"


def _spec(name: str, dtype: int, shape: list[int], sizes: list[str | None]) -> TensorSpec:
    """Fixed lengths as numbers, and others by their names."""
    dims = tuple(dim if size is None else size or None for dim, size in zip(shape, sizes, strict=True))
    return TensorSpec(name, np.dtype(_TYPES[dtype]), dims)
