"""Bring models of old opsets to one that has per-channel QuantizeLinear, of the newest to one that engines know."""

from __future__ import annotations

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.size import LARGEST_PROTO, tensor_bytes

# The first opset in which DequantizeLinear takes an axis.
OLDEST = 13
# The newest opset whose QuantizeLinear engines run; ONNX Runtime 1.32 lacks that of 28.
NEWEST = 27


def modernize(model: ir.Model) -> ir.Model:
    """The model in opset 13 when it was older, else itself.

    Raises:
        ModelError: the model cannot be converted.
    """
    if "ai.onnx" in model.opset_imports:
        model.opset_imports[""] = model.opset_imports.pop("ai.onnx")
    opset = model.opset_imports.get("", OLDEST)
    if opset >= OLDEST:
        return model
    if tensor_bytes(model) >= LARGEST_PROTO:
        raise ModelError(f"the model has opset {opset} and more than 2 GB; export it with opset {OLDEST} or newer")
    from onnx import version_converter

    try:
        proto = ir.to_proto(model)
        proto.ir_version = max(proto.ir_version, 7)
        return ir.from_proto(version_converter.convert_version(proto, OLDEST))
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"the model's opset {opset} cannot be converted to {OLDEST} ({reason}); export it with a newer opset"
        ) from None


def settle(model: ir.Model) -> None:
    """Declare the newest opset that engines know where no operator of the model changed since."""
    opset = model.opset_imports.get("", OLDEST)
    if opset > NEWEST and not any(last_change(n, opset) > NEWEST for graph in model.graphs() for n in graph):
        model.opset_imports[""] = NEWEST


def last_change(node: ir.Node, opset: int) -> int:
    """The opset in which the operator last changed; 0 for those that ONNX does not define."""
    from onnx import defs

    known = node.domain in ("", "ai.onnx") and defs.has(node.op_type)
    return int(defs.get_schema(node.op_type, opset).since_version) if known else 0
