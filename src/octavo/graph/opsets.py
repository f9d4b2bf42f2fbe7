"""The range of ONNX opsets that Octavo works on."""

from __future__ import annotations

import onnx_ir as ir

# The first opset in which DequantizeLinear takes an axis.
OLDEST = 13
# The newest opset whose QuantizeLinear engines run; ONNX Runtime 1.32 lacks that of 28.
NEWEST = 27
# The first opset whose QuantizeLinear takes 16-bit and 4-bit grids and blocks.
WIDE = 21


def last_change(node: ir.Node, opset: int) -> int:
    """The newest opset, at most `opset`, that changed the node's operator; 0 for operators ONNX does not define."""
    from onnx import defs

    known = node.domain in ("", "ai.onnx") and defs.has(node.op_type)
    return int(defs.get_schema(node.op_type, opset).since_version) if known else 0
