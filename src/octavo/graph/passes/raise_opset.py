"""Declare the opset in which QuantizeLinear takes 16-bit and 4-bit grids and blocks."""

from __future__ import annotations

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.passes.opset import last_change

WIDE = 21
_IR_VERSION = 10
_PAIR = ("QuantizeLinear", "DequantizeLinear")
_WIDE_TYPES = {ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.INT4, ir.DataType.UINT4}


def raise_opset(model: ir.Model) -> ir.Model:
    """The model in opset 21 where its Q/DQ need that, else itself.

    Raises:
        ModelError: its operators changed since its opset and cannot be converted.
    """
    opset = model.opset_imports.get("", WIDE)
    if opset >= WIDE or not any(_needs(node) for node in model.graph):
        return model
    nodes = [node for graph in model.graphs() for node in graph if node.op_type not in _PAIR]
    if any(last_change(node, WIDE) > opset for node in nodes):
        return _converted(model)
    model.opset_imports[""] = WIDE
    model.ir_version = max(model.ir_version, _IR_VERSION)
    return model


def _needs(node: ir.Node) -> bool:
    if node.op_type not in _PAIR:
        return False
    return "block_size" in node.attributes or any(v is not None and v.dtype in _WIDE_TYPES for v in node.inputs)


def _converted(model: ir.Model) -> ir.Model:
    from onnx import version_converter

    proto = ir.to_proto(model)
    proto.ir_version = max(proto.ir_version, _IR_VERSION)
    try:
        return ir.from_proto(version_converter.convert_version(proto, WIDE))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the model cannot be converted to opset {WIDE}, which 16-bit grids need ({reason}); use 8-bit activations"
        ) from None
