"""Comparisons and boolean operators, as used in masks."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.kinds import COMPARISONS
from octavo.compiler.lower.lowering import Lowering, OpLowering, same_dtype_inputs, static_shape
from octavo.compiler.lower.movement import expanded
from octavo.compiler.lower.values import Constant, LoweredValue, Plain
from octavo.compiler.program import constant_tensor


def compare(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Equal, Less, LessOrEqual, Greater and GreaterOrEqual, to booleans."""
    inputs = same_dtype_inputs(lowering, node.inputs)
    function = {"function": node.op_type}
    result = lowering.new_output(node, np.bool_)
    return Plain(lowering.program.add("Compare", node.name or "", inputs, result, function))


def boolean(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """And, Or and Xor; if one operand is the neutral constant, the other operand."""
    shape = static_shape(node.outputs[0])
    for index, value in enumerate(node.inputs):
        lowered, other = lowering.lowered(value), node.inputs[1 - index]
        neutral = isinstance(lowered, Constant) and bool((lowered.array == (node.op_type == "And")).all())
        if neutral and other is not None and not isinstance(lowering.lowered(other), Constant):
            return Plain(expanded(lowering, node, lowering.tensor(other), shape))
    return binary_integer(lowering, node)


def negation(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Not, as Xor with true."""
    true = constant_tensor(f"{node.name}_true", np.ones(1, np.bool_))
    inputs = [lowering.tensor(node.inputs[0]), true]
    result = lowering.new_output(node, np.bool_)
    return Plain(lowering.program.add("BinaryInteger", node.name or "", inputs, result, {"function": "Xor"}))


def binary_integer(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """An elementwise operator on two tensors of integers or booleans."""
    inputs = same_dtype_inputs(lowering, node.inputs)
    result = lowering.new_output(node, inputs[0].dtype)
    function = {"function": node.op_type}
    return Plain(lowering.program.add("BinaryInteger", node.name or "", inputs, result, function))


LOWERINGS = {
    "Not": OpLowering(negation),
    **dict.fromkeys(("And", "Or", "Xor"), OpLowering(boolean)),
    **dict.fromkeys(COMPARISONS, OpLowering(compare)),
}
