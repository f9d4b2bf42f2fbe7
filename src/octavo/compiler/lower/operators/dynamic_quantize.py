"""DynamicQuantizeLinear: scale and zero point computed at run time."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype, like
from octavo.compiler.lower.values import LoweredValue, Plain
from octavo.compiler.program import Tensor, new_tensor


def dynamic_quantize_linear(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """To uint8 with the range of the tensor."""
    source, name = lowering.tensor_any_layout(node.inputs[0]), node.name or ""
    check_dtype(source, np.float32)
    bounds = new_tensor(f"{name}_range", np.float32, (2,))
    lowering.program.add("Range", name, [source], bounds)
    scale = _parameter(lowering, node, "RangeScale", bounds, 1, np.float32)
    zero_point = _parameter(lowering, node, "RangeZeroPoint", bounds, 2, np.uint8)
    result = like(source, node.outputs[0].name or "", np.uint8)
    return Plain(lowering.program.add("QuantizeRange", name, [source, scale, zero_point], result))


def _parameter(lowering: Lowering, node: ir.Node, kind: str, bounds: Tensor, index: int, dtype: type) -> Tensor:
    """Output `index` of the node, computed from the range."""
    output = node.outputs[index]
    result = new_tensor(output.name or "", dtype, ())
    lowering.values[output] = Plain(result)
    return lowering.program.add(kind, node.name or "", [bounds], result)


LOWERINGS = {"DynamicQuantizeLinear": OpLowering(dynamic_quantize_linear)}
