"""Run float and QDQ ONNX nodes in PyTorch, with gradients."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.errors import DependencyError
from octavo.graph.constants import constant
from octavo.torch.operators import OPERATORS, Tensor, is_translatable


def untranslatable(nodes: Sequence[ir.Node]) -> list[str]:
    """The operator types among the nodes that cannot be run here, each once, in order."""
    return list(dict.fromkeys(node.op_type for node in nodes if not is_translatable(node)))


def evaluate(nodes: Sequence[ir.Node], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor that the nodes, in topological order, make of the given ones.

    What is given also stands in for constants, and for what the nodes would compute under the same name.
    Rounding onto a grid lets gradients straight through; integers between Q and DQ are held as floats.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    torch, values = pytorch(), dict(given)
    for node in nodes:
        names = [value.name or "" for value in node.outputs]
        if names[0] in given:
            continue
        inputs = [_read(torch, value, values) for value in node.inputs]
        found = OPERATORS[node.op_type](torch, node, inputs)
        values.update(zip(names, found if isinstance(found, tuple) else (found,), strict=False))
    return values


def constants(nodes: Sequence[ir.Node]) -> dict[str, Tensor]:
    """The constants that the nodes read, to be given to `evaluate` where it is called often."""
    torch = pytorch()
    found = {value.name or "": constant(value) for node in nodes for value in node.inputs if value is not None}
    return {name: tensor(torch, array) for name, array in found.items() if array is not None}


def pytorch() -> Any:
    """The package torch.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise DependencyError("PyTorch", "torch") from None


def _read(torch: Any, value: ir.Value | None, values: Mapping[str, Tensor]) -> Tensor:
    if value is None or value.name in values:
        return None if value is None else values[value.name or ""]
    array = constant(value)
    assert array is not None
    return tensor(torch, array)


def tensor(torch: Any, array: NDArray[Any]) -> Tensor:
    """The array as a tensor of its own; 4-bit integers, which PyTorch lacks, in bytes."""
    if array.dtype.kind not in "biuf":
        array = array.astype("u1" if "u" in array.dtype.name else "i1")
    return torch.tensor(array)
