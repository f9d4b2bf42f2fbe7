"""Declare the opset whose QuantizeLinear takes 16-bit and 4-bit grids and blocks."""

from __future__ import annotations

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.opsets import WIDE, last_change

_IR_VERSION = 10
_QDQ = ("QuantizeLinear", "DequantizeLinear")
_WIDE_TYPES = {ir.DataType.INT16, ir.DataType.UINT16, ir.DataType.INT4, ir.DataType.UINT4}


class RequireWideOpsetPass(ir.passes.FunctionalPass):
    """Return the model in opset 21 if its Q/DQ nodes need it, else a copy.

    Raises:
        ModelError: its operators changed since its opset and cannot be converted.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        copy = model.clone()
        opset = copy.opset_imports.get("", WIDE)
        if opset >= WIDE or not any(_needs_wide_opset(node) for node in copy.graph):
            return ir.passes.PassResult(copy, False)
        nodes = [node for graph in copy.graphs() for node in graph if node.op_type not in _QDQ]
        if any(last_change(node, WIDE) > opset for node in nodes):
            return ir.passes.PassResult(_converted(copy), True)
        copy.opset_imports[""] = WIDE
        copy.ir_version = max(copy.ir_version, _IR_VERSION)
        return ir.passes.PassResult(copy, True)


def _needs_wide_opset(node: ir.Node) -> bool:
    if node.op_type not in _QDQ:
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
