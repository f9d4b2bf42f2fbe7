"""Functions of one number: as tables on 8 bits, as bounds of the kernel before them, or on floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.kinds import UNARY
from octavo.compiler.lower.attributes import number, text
from octavo.compiler.lower.facts import Fact, Known, Pending, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.program import float_bits

Doubles = NDArray[np.float64]
FUNCTIONS = (
    *("Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu"),
    *("Erf", "Gelu", "Exp", "Sqrt", "Abs", "Neg", "Reciprocal"),
)
_INFINITY = float("inf")


def function(lowering: Lowering, node: ir.Node) -> Fact:
    """Written down where it is known whether its result goes to a grid."""
    bounds_of(lowering, node)
    return Pending(node)


def finish_function(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    source = lowering.real_as_it_lies(node.inputs[0])
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    kind, first, second = _kernel(lowering, node)
    attributes = [UNARY[kind], float_bits(first), float_bits(second)]
    return Real(
        lowering.program.add(
            "UnaryFloat", node.name or "", [source], like(source, node.outputs[0].name or ""), attributes
        )
    )


def bounds_of(lowering: Lowering, node: ir.Node) -> tuple[float, float] | None:
    """Where the function does nothing but clip: to what."""
    if node.op_type == "Relu":
        return 0.0, _INFINITY
    if node.op_type != "Clip":
        return None
    ends = [(number(node, "min", -_INFINITY)), number(node, "max", _INFINITY)]
    for index in (1, 2):
        if lowering.given(node, index) is not None:
            bound = lowering.constant(node, index, "bounds")
            ends[index - 1] = float(_scalar(bound))
    return ends[0], ends[1]


def function_of(lowering: Lowering, node: ir.Node) -> Callable[[Doubles], Doubles]:
    """The function on float64, as a table is made from it."""
    bounds = bounds_of(lowering, node)
    if bounds is not None:
        return lambda x: np.minimum(np.maximum(x, bounds[0]), bounds[1])
    first, second = _numbers(node)
    match node.op_type:
        case "Sigmoid":
            return lambda x: 1.0 / (1.0 + np.exp(-x))
        case "Tanh":
            return np.tanh
        case "HardSigmoid":
            return lambda x: np.clip(first * x + second, 0.0, 1.0)
        case "HardSwish":
            return lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)
        case "LeakyRelu":
            return lambda x: np.where(x < 0, first * x, x)
        case "Erf":
            return _erf
        case "Gelu":
            return _gelu_tanh if _is_approximate(node) else lambda x: 0.5 * x * (1.0 + _erf(x / np.sqrt(2.0)))
        case "Exp":
            return np.exp
        case "Sqrt":
            return np.sqrt
        case "Abs":
            return np.abs
        case "Neg":
            return np.negative
        case "Reciprocal":
            return np.reciprocal
    return lambda x: np.where(x < 0, first * np.expm1(np.minimum(x, 0.0)), x)


def _scalar(bound: Known) -> Any:
    if bound.array.size != 1:
        raise Unsupported("with bounds that are no numbers")
    return bound.array.reshape(())


def _numbers(node: ir.Node) -> tuple[float, float]:
    match node.op_type:
        case "HardSigmoid":
            return number(node, "alpha", 0.2), number(node, "beta", 0.5)
        case "LeakyRelu":
            return number(node, "alpha", 0.01), 0.0
    return number(node, "alpha", 1.0), 0.0


def _kernel(lowering: Lowering, node: ir.Node) -> tuple[str, float, float]:
    bounds = bounds_of(lowering, node)
    if bounds is not None:
        return "Clip", *bounds
    if node.op_type not in UNARY:
        raise Unsupported("on floats")
    kind = "GeluTanh" if _is_approximate(node) else node.op_type
    return kind, *_numbers(node)


def _is_approximate(node: ir.Node) -> bool:
    return node.op_type == "Gelu" and text(node, "approximate", "none") == "tanh"


def _erf(x: Doubles) -> Doubles:
    return np.asarray(np.vectorize(math.erf)(x), np.float64)


def _gelu_tanh(x: Doubles) -> Doubles:
    return np.asarray(0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))), np.float64)
