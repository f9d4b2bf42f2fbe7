"""Inputs and outputs of a model: names, element types and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir


@dataclass(frozen=True)
class TensorSpec:
    """One input or output; a dimension is a number, a symbol, or None if it is unknown."""

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...]


def input_specs(model: ir.Model) -> tuple[TensorSpec, ...]:
    """The inputs that a caller must pass, in order; initializers that are also listed as inputs are not among them."""
    return _specs([value for value in model.graph.inputs if not value.is_initializer()])


def output_specs(model: ir.Model) -> tuple[TensorSpec, ...]:
    """The outputs, in order."""
    return _specs(model.graph.outputs)


def _specs(values: Sequence[ir.Value]) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(value.name or "", _dtype(value), _shape(value)) for value in values)


def _dtype(value: ir.Value) -> np.dtype:
    try:
        return np.dtype(np.object_) if value.dtype is None else value.dtype.numpy()
    except TypeError:
        return np.dtype(np.object_)


def _shape(value: ir.Value) -> tuple[int | str | None, ...]:
    if value.shape is None:
        return ()
    return tuple(dim if isinstance(dim, int) else dim.value for dim in value.shape)
