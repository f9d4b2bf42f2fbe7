"""Grids that are found while the model runs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from octavo.compiler.lower.facts import Fact, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.program import Tensor, new_tensor


def dynamic_quantize_linear(lowering: Lowering, node: ir.Node) -> Fact:
    """To the grid of uint8 that covers the values at hand."""
    source, name = lowering.real_as_it_lies(node.inputs[0]), node.name or ""
    if source.dtype != np.float32:
        raise Unsupported(f"of {source.dtype}")
    ends = new_tensor(f"{name}_range", np.float32, (2,))
    lowering.program.add("Range", name, [source], ends)
    scale = _made(lowering, node, "RangeScale", ends, 1, np.float32)
    zero_point = _made(lowering, node, "RangeZeroPoint", ends, 2, np.uint8)
    result = like(source, node.outputs[0].name or "", np.uint8)
    return Real(lowering.program.add("QuantizeRange", name, [source, scale, zero_point], result))


def _made(lowering: Lowering, node: ir.Node, kind: str, ends: Tensor, index: int, dtype: type) -> Tensor:
    """One more result of the node, which is its own fact."""
    output = node.outputs[index]
    result = new_tensor(output.name or "", dtype, ())
    lowering.facts[output] = Real(result)
    return lowering.program.add(kind, node.name or "", [ends], result)
