"""Run float and QDQ ONNX nodes in PyTorch, with gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import Tensor

from octavo.graph.constants import constant
from octavo.torch.run.operators import OPERATORS, Inputs, is_translatable


def untranslatable(nodes: Sequence[ir.Node]) -> list[str]:
    """Operator types of the nodes that cannot run in PyTorch, without duplicates, in order."""
    return list(dict.fromkeys(node.op_type for node in nodes if not is_translatable(node)))


def evaluate(nodes: Sequence[ir.Node], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compute every tensor of the nodes from the given ones.

    Gradients pass straight through rounding; integers between Q and DQ are held as floats.

    Args:
        nodes: in topological order.
        tensors: inputs by name. They also replace constants and node outputs of the same name.
    """
    values = dict(tensors)
    for node in nodes:
        names = [value.name or "" for value in node.outputs]
        if names[0] in tensors:
            continue
        result = OPERATORS[node.op_type](node, Inputs([_read(value, values) for value in node.inputs]))
        values.update(zip(names, result if isinstance(result, tuple) else (result,), strict=False))
    return values


def constants(nodes: Sequence[ir.Node]) -> dict[str, Tensor]:
    """Convert the constants that the nodes read, for repeated calls of `evaluate`."""
    arrays = {value.name or "": constant(value) for node in nodes for value in node.inputs if value is not None}
    return {name: _tensor(array) for name, array in arrays.items() if array is not None}


def _read(value: ir.Value | None, values: Mapping[str, Tensor]) -> Tensor | None:
    if value is None or value.name in values:
        return None if value is None else values[value.name or ""]
    array = constant(value)
    assert array is not None
    return _tensor(array)


def _tensor(array: NDArray[Any]) -> Tensor:
    """Copy an array into a tensor; 4-bit integers, which PyTorch lacks, become 8-bit."""
    if array.dtype.kind not in "biuf":
        array = array.astype("u1" if "u" in array.dtype.name else "i1")
    return torch.tensor(array)
