"""Run float ONNX nodes as differentiable PyTorch functions, one small function an operator."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import onnx_ir as ir

from octavo.errors import DependencyError
from octavo.graph.constants import constant
from octavo.graph.operators import attribute

Tensor = Any
Operator = Callable[[Any, ir.Node, list[Tensor]], Tensor]


def untranslatable(nodes: Sequence[ir.Node]) -> list[str]:
    """The operator types among the nodes that cannot be run here, each once, in order."""
    return list(dict.fromkeys(node.op_type for node in nodes if not _is_known(node)))


def evaluate(nodes: Sequence[ir.Node], given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Every tensor that the nodes, in topological order, make of the given ones; `given` also overrides constants.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    torch, values = _torch(), dict(given)
    for node in nodes:
        inputs = [_read(torch, value, values) for value in node.inputs]
        values[node.outputs[0].name or ""] = OPERATORS[node.op_type](torch, node, inputs)
    return values


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise DependencyError("PyTorch", "torch") from None


def _read(torch: Any, value: ir.Value | None, values: Mapping[str, Tensor]) -> Tensor:
    if value is None or value.name in values:
        return None if value is None else values[value.name or ""]
    return torch.tensor(constant(value))


def _is_known(node: ir.Node) -> bool:
    if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
        return False
    auto = node.attributes.get("auto_pad")
    return auto is None or auto.as_string() == "NOTSET"


def _ints(node: ir.Node, name: str, default: list[int]) -> list[int]:
    found = node.attributes.get(name)
    return default if found is None else list(found.as_ints())


def _conv(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    x, weight, *bias = inputs
    rank = x.ndim - 2
    pads = _ints(node, "pads", [0] * 2 * rank)
    ends = [each for i in reversed(range(rank)) for each in (pads[i], pads[i + rank])]
    strides, dilations = (_ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    convolve = getattr(torch.nn.functional, f"conv{rank}d")
    padded = torch.nn.functional.pad(x, ends)
    groups = int(attribute(node, "group", 1))
    return convolve(padded, weight, bias[0] if bias else None, strides, 0, dilations, groups)


def _gemm(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    a, b, *bias = inputs
    a, b = (x.T if attribute(node, name, 0) else x for x, name in ((a, "transA"), (b, "transB")))
    result = attribute(node, "alpha", 1.0) * (a @ b)
    return result + attribute(node, "beta", 1.0) * bias[0] if bias and bias[0] is not None else result


def _global_average_pool(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    return inputs[0].mean(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)


def _flatten(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    axis = int(attribute(node, "axis", 1)) % (inputs[0].ndim + 1)
    return inputs[0].reshape(inputs[0].shape[:axis].numel(), -1)


def _clip(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
    low, high = [*inputs[1:], None, None][:2]
    return inputs[0] if low is None and high is None else torch.clamp(inputs[0], low, high)


OPERATORS: dict[str, Operator] = {
    "Add": lambda torch, node, inputs: inputs[0] + inputs[1],
    "Clip": _clip,
    "Conv": _conv,
    "Div": lambda torch, node, inputs: inputs[0] / inputs[1],
    "Flatten": _flatten,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "Identity": lambda torch, node, inputs: inputs[0],
    "MatMul": lambda torch, node, inputs: inputs[0] @ inputs[1],
    "Mul": lambda torch, node, inputs: inputs[0] * inputs[1],
    "Relu": lambda torch, node, inputs: torch.relu(inputs[0]),
    "Sigmoid": lambda torch, node, inputs: torch.sigmoid(inputs[0]),
    "Sub": lambda torch, node, inputs: inputs[0] - inputs[1],
    "Tanh": lambda torch, node, inputs: torch.tanh(inputs[0]),
}
