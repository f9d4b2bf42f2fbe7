"""Activations and other unary functions: lookup tables on 8 bits, clips fused into a kernel, or float kernels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.kinds import UNARY, Value
from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype, like
from octavo.compiler.lower.onnx_attributes import number, text
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Unsupported

Float64 = NDArray[np.float64]
ACTIVATIONS = (
    *("Relu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu"),
    *("Erf", "Gelu", "Exp", "Sqrt", "Abs", "Neg", "Reciprocal"),
)
_INFINITY = float("inf")


def lower(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Deferred until it is known whether the result is quantized."""
    clip_bounds(lowering, node)
    return Deferred(node)


def to_float(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """The float kernel."""
    source = lowering.tensor_any_layout(node.inputs[0])
    check_dtype(source, np.float32)
    function, alpha, beta = _kernel(lowering, node)
    result = like(source, node.outputs[0].name or "")
    attributes: dict[str, Value] = {"function": function, "alpha": alpha, "beta": beta}
    return Plain(lowering.program.add("UnaryFloat", node.name or "", [source], result, attributes))


def clip_bounds(lowering: Lowering, node: ir.Node) -> tuple[float, float] | None:
    """The bounds of a Relu or Clip; None for other functions."""
    if node.op_type == "Relu":
        return 0.0, _INFINITY
    if node.op_type != "Clip":
        return None
    bounds = [number(node, "min", -_INFINITY), number(node, "max", _INFINITY)]
    for index in (1, 2):
        if lowering.optional_input(node, index) is not None:
            bounds[index - 1] = float(_scalar(lowering.constant_input(node, index, "bounds")))
    return bounds[0], bounds[1]


def scalar_function(lowering: Lowering, node: ir.Node) -> Callable[[Float64], Float64]:
    """The function in float64, from which lookup tables are made."""
    bounds = clip_bounds(lowering, node)
    if bounds is not None:
        return lambda x: np.minimum(np.maximum(x, bounds[0]), bounds[1])
    alpha, beta = _alpha_beta(node)
    match node.op_type:
        case "Sigmoid":
            return lambda x: 1.0 / (1.0 + np.exp(-x))
        case "Tanh":
            return np.tanh
        case "HardSigmoid":
            return lambda x: np.clip(alpha * x + beta, 0.0, 1.0)
        case "HardSwish":
            return lambda x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0)
        case "LeakyRelu":
            return lambda x: np.where(x < 0, alpha * x, x)
        case "Erf":
            return _erf
        case "Gelu":
            return _gelu_tanh if _is_tanh_gelu(node) else lambda x: 0.5 * x * (1.0 + _erf(x / np.sqrt(2.0)))
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
    return lambda x: np.where(x < 0, alpha * np.expm1(np.minimum(x, 0.0)), x)


def _scalar(bound: Constant) -> Any:
    if bound.array.size != 1:
        raise Unsupported("with bounds that are not scalars")
    return bound.array.reshape(())


def _alpha_beta(node: ir.Node) -> tuple[float, float]:
    match node.op_type:
        case "HardSigmoid":
            return number(node, "alpha", 0.2), number(node, "beta", 0.5)
        case "LeakyRelu":
            return number(node, "alpha", 0.01), 0.0
    return number(node, "alpha", 1.0), 0.0


def _kernel(lowering: Lowering, node: ir.Node) -> tuple[str, float, float]:
    """The float kernel's function and its two parameters."""
    bounds = clip_bounds(lowering, node)
    if bounds is not None:
        return "Clip", *bounds
    if node.op_type not in UNARY:
        raise Unsupported("on floats")
    return "GeluTanh" if _is_tanh_gelu(node) else node.op_type, *_alpha_beta(node)


def _is_tanh_gelu(node: ir.Node) -> bool:
    return node.op_type == "Gelu" and text(node, "approximate", "none") == "tanh"


def _erf(x: Float64) -> Float64:
    return np.asarray(np.vectorize(math.erf)(x), np.float64)


def _gelu_tanh(x: Float64) -> Float64:
    return np.asarray(0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3))), np.float64)


LOWERINGS = dict.fromkeys(ACTIVATIONS, OpLowering(lower, to_float=to_float))
