"""BatchNormalization that was not folded into a preceding layer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering, like
from octavo.compiler.lower.onnx_attributes import number
from octavo.compiler.lower.values import LoweredValue, Plain
from octavo.compiler.program import constant_tensor


def batch_normalization(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """A float multiply and a float add per channel."""
    scale, shift, mean, variance = (
        lowering.constant_input(node, index, "statistics").values.astype(np.float64) for index in range(1, 5)
    )
    factor = scale / np.sqrt(variance + number(node, "epsilon", 1e-5))
    source, name = lowering.tensor_any_layout(node.inputs[0]), node.name or ""
    shape = (-1,) if source.channels_last else (-1, *[1] * (len(source.shape) - 2))
    scaled = like(source, source.name)
    shifted = like(source, node.outputs[0].name or "")
    for op, values, result in (("Mul", factor, scaled), ("Add", shift - mean * factor, shifted)):
        operand = constant_tensor(f"{name}_{op}", values.astype(np.float32).reshape(shape))
        source = lowering.program.add("BinaryFloat", name, [source, operand], result, {"function": op})
    return Plain(source)


LOWERINGS = {"BatchNormalization": OpLowering(batch_normalization)}
