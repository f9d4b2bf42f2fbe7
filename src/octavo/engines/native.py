"""Run a bundle in the native runtime."""

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

# octavo_type of octavo.h.
_TYPES: dict[int, type] = {
    1: np.float32, 2: np.uint8, 3: np.int8, 4: np.int32, 5: np.uint16, 6: np.int16, 7: np.int64, 8: np.bool_,
}  # fmt: skip


@dataclass(frozen=True)
class OperatorCost:
    """Cost of one operator of a bundle per run.

    Attributes:
        name: name of the ONNX node that it was lowered from.
        kind: operator kind of the runtime.
        milliseconds: median over the timed runs.
        bytes: size of operands, constants and result.
        multiply_adds: multiply-accumulate operations of a GEMM or convolution; 0 for other kinds.
    """

    name: str
    kind: str
    milliseconds: float
    bytes: int
    multiply_adds: int

    @property
    def gops(self) -> float | None:
        """Giga-operations (multiplications and additions) per second; None for other kinds."""
        if self.multiply_adds == 0 or self.milliseconds == 0.0:
            return None
        return 2e-6 * self.multiply_adds / self.milliseconds


class NativeSession:
    """A loaded bundle. Threads may share it; runs are serialized.

    Args:
        path: bundle file.
        threads: threads per operator; results do not depend on their number.

    Attributes:
        inputs: input specifications in order; a dynamic axis has a symbolic size.
        outputs: output specifications in order; None for a length that is computed from symbolic sizes.

    Raises:
        ModelError: the file cannot be read, or is not a valid bundle.
        OptionError: `threads` is not in 1..256, or the system cannot start them.
    """

    def __init__(self, path: str | os.PathLike[str], *, threads: int = 1) -> None:
        model = open_bundle(path)
        self._session = open_session(model, threads)
        self._lock = Lock()
        self._shapes = tuple(tuple(value[2]) for value in model.inputs)
        self._results = [value[2] for value in model.outputs]
        self.inputs = tuple(_spec(*value) for value in model.inputs)
        self.outputs = tuple(_spec(*value) for value in model.outputs)
        self._names = tuple(spec.name for spec in self.inputs)

    @property
    def memory_bytes(self) -> int:
        """Size of the arena: activations and scratch memory of the largest run so far."""
        return self._session.memory_bytes

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """Run on arrays in the order of `inputs`; return the output, or a tuple of outputs.

        Raises:
            DataError: the arrays do not match the inputs.
        """
        outputs = self._session.run_quickly(inputs)
        if outputs is not None:
            return outputs
        if len(inputs) != len(self.inputs):
            raise DataError(f"the model takes {len(self.inputs)} inputs and was given {len(inputs)}")
        results = self._run([_checked(spec, array) for spec, array in zip(self.inputs, inputs, strict=True)])
        return results[0] if len(results) == 1 else tuple(results)

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run on arrays by name; return the outputs by name. Contiguous arrays of the right dtype are read in place.

        Raises:
            DataError: an input is missing, unknown, or does not match.
        """
        outputs = self._session.run_feeds_quickly(feeds)
        if outputs is not None:
            return outputs
        if len(feeds) != len(self._names) or not all(name in feeds for name in self._names):
            self._refuse(feeds)
        results = self._run([_checked(spec, feeds[spec.name]) for spec in self.inputs])
        return {spec.name: array for spec, array in zip(self.outputs, results, strict=True)}

    def time_operators(self, feeds: Mapping[str, NDArray[Any]], runs: int) -> list[OperatorCost]:
        """Run `runs` times and return the cost of each operator in execution order.

        Raises:
            DataError: an input is missing, unknown, or does not match.
        """
        self.run(feeds)
        nanoseconds = []
        try:
            for _ in range(runs):
                self._session.time(True)
                self.run(feeds)
                operators = self._session.operators()
                nanoseconds.append([operator[3] for operator in operators])
        finally:
            self._session.time(False)
        medians = np.median(nanoseconds, axis=0) * 1e-6
        return [
            OperatorCost(name, kind, float(milliseconds), size, multiply_adds)
            for (name, kind, _, _, size, multiply_adds), milliseconds in zip(operators, medians, strict=True)
        ]

    def _run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]:
        with self._lock:
            self._resize(tuple(array.shape for array in inputs))
            results = [np.empty(shape, spec.dtype) for shape, spec in zip(self._results, self.outputs, strict=True)]
            self._session.run(inputs, results)
        return results

    def _refuse(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        unknown = [name for name in feeds if name not in self._names]
        missing = [name for name in self._names if name not in feeds]
        what = f"takes no input '{unknown[0]}'" if unknown else f"needs the input '{missing[0]}'"
        raise DataError(f"the model {what}; it has {', '.join(sorted(self._names))}")

    def _resize(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        """Plan the memory for inputs of these shapes.

        Raises:
            DataError: the model does not accept these sizes.
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
        threads: threads per operator; results do not depend on their number.

    Raises:
        ModelError: the file cannot be read, or is not a valid bundle.
        OptionError: `threads` is not in 1..256, or the system cannot start them.
    """
    return NativeSession(path, threads=threads)


def _checked(spec: TensorSpec, array: NDArray[Any]) -> NDArray[Any]:
    actual = np.asarray(array)
    if actual.shape == spec.shape and actual.dtype == spec.dtype and actual.flags.c_contiguous:
        return actual
    dims = zip(spec.shape, actual.shape, strict=False)
    if actual.ndim != len(spec.shape) or any(isinstance(dim, int) and dim != length for dim, length in dims):
        raise DataError(
            f"input '{spec.name}' is of shape {actual.shape}; the model was compiled for {_shape_text(spec)}"
        )
    if actual.dtype != spec.dtype and not (actual.dtype.kind == spec.dtype.kind == "f"):
        raise DataError(f"input '{spec.name}' is of {actual.dtype}; the model takes {spec.dtype}")
    return np.ascontiguousarray(actual, spec.dtype).reshape(actual.shape)


def _shape_text(spec: TensorSpec) -> str:
    return f"({', '.join(str(dim) for dim in spec.shape)}{',' * (len(spec.shape) == 1)})"


def _spec(name: str, dtype: int, shape: list[int], sizes: list[str | None]) -> TensorSpec:
    """Static lengths as numbers, dynamic ones by their symbol."""
    dims = tuple(dim if size is None else size or None for dim, size in zip(shape, sizes, strict=True))
    return TensorSpec(name, np.dtype(_TYPES[dtype]), dims)
