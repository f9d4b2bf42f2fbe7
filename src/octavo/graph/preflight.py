"""Check a quantized model against its target's rules before anything is written."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from octavo.affine import GRIDS
from octavo.errors import TargetError
from octavo.graph.constants import constant
from octavo.graph.linear import is_linear
from octavo.targets import Target


def check_target(model: ir.Model, target: Target) -> None:
    """Check that a QDQ model keeps to a target's opset, grids, zero points, axes and Q/DQ placement.

    Raises:
        TargetError: one rule is broken; the sentence names the node and the remedy.
    """
    for problem in violations(model, target):
        raise TargetError(problem)


def violations(model: ir.Model, target: Target) -> Iterator[str]:
    """Every rule of the target that the model breaks: one sentence with the node and the remedy for each."""
    opset = model.opset_imports.get("", 0)
    if opset < target.opset:
        yield (
            f"the model has opset {opset} but {target.name} needs {target.opset} or newer; "
            "convert it with onnx.version_converter"
        )
    for node in model.graph:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            yield from _check_pair(node, target)
        if is_linear(node) and not target.weights_only:
            yield from _check_operands(node)


def _check_pair(node: ir.Node, target: Target) -> Iterator[str]:
    scale, zero_point = constant(node.inputs[1]), _zero_point(node)
    has_zero_point = len(node.inputs) > 2 and node.inputs[2] is not None
    if scale is None or (has_zero_point and zero_point is None):
        yield f"{node.op_type} '{node.name}' has a scale or zero_point that is not a constant; make it an initializer"
        return
    if not bool(np.all(np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny))):
        yield f"{node.op_type} '{node.name}' has a scale that is not a positive normal float32; quantize it again"
    grid = _data_grid(node)
    if grid == "int32":
        if not target.integer_bias:
            yield f"'{node.name}' dequantizes an int32 bias but {target.name} wants float bias; leave the bias in float"
        return
    yield from _check_grid(node, grid, zero_point, target)
    if scale.ndim == 1 and scale.size > 1:
        yield from _check_axis(node, target)
    if "block_size" in node.attributes and target.block_size is None:
        yield f"'{node.name}' has blocked scales, which {target.name} does not take; use per-channel scales"


def _check_grid(node: ir.Node, grid: str, zero_point: np.ndarray | None, target: Target) -> Iterator[str]:
    is_weight = constant(node.inputs[0]) is not None
    rules = (target.activations, target.second_operand, *target.activation_widths.values())
    grids = {*(rule.grid for rule in (*rules, *target.second_widths.values())), *target.weight_widths.values()}
    allowed = {rule_grid.dtype for rule_grid in grids} | {target.weights.dtype}
    if grid not in allowed:
        takes = " or ".join(sorted(allowed))
        yield f"'{node.name}' stores {grid} but {target.name} takes {takes}; quantize for this target"
    symmetric = target.activations.symmetric and target.second_operand.symmetric
    if zero_point is None:
        return
    if symmetric and bool(np.any(zero_point != 0)):
        first = int(zero_point.flat[0])
        yield f"'{node.name}' has zero_point {first} but {target.name} takes 0 only; use a symmetric grid"
    if is_weight and zero_point.size > 1 and bool(np.any(zero_point != _middle(grid))):
        yield f"'{node.name}' has per-channel zero points; per-channel weights must be symmetric"


def _check_axis(node: ir.Node, target: Target) -> Iterator[str]:
    axis = node.attributes["axis"].as_int() if "axis" in node.attributes else 1
    if not target.per_channel:
        yield f"'{node.name}' has a scale for each channel but {target.name} takes one per tensor; quantize per tensor"
    elif target.weight_axes is not None and axis not in target.weight_axes:
        allowed = " or ".join(map(str, target.weight_axes))
        yield f"'{node.name}' has scales along axis {axis} but {target.name} takes {allowed}; transpose the weights"


def _check_operands(node: ir.Node) -> Iterator[str]:
    """Integer weights need an integer input, or the operator runs in float.

    The reverse is allowed: float weights with an integer input belong to a layer left in float.
    """
    dequantized = [_dequantizer(value) for value in node.inputs[:2]]
    for weights, other, side in ((1, 0, "first"), (0, 1, "second")):
        dequantize = dequantized[weights]
        if dequantize is not None and constant(dequantize.inputs[0]) is not None and dequantized[other] is None:
            where = f"{node.op_type} '{node.name}' reads its {side} input"
            yield f"{where} in float beside integer weights; put Q/DQ on both"


def _dequantizer(value: ir.Value | None) -> ir.Node | None:
    producer = value.producer() if value is not None else None
    return producer if producer is not None and producer.op_type == "DequantizeLinear" else None


def _zero_point(node: ir.Node) -> np.ndarray | None:
    return constant(node.inputs[2]) if len(node.inputs) > 2 else None


def _data_grid(node: ir.Node) -> str:
    value = node.inputs[0] if node.op_type == "DequantizeLinear" else node.outputs[0]
    return value.dtype.name.lower() if value is not None and value.dtype is not None else "uint8"


def _middle(dtype: str) -> int:
    grid = GRIDS.get(dtype)
    return grid.middle if grid is not None else 0
