"""Convert models of old opsets to the first one that has per-channel QuantizeLinear."""

from __future__ import annotations

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.opsets import OLDEST
from octavo.graph.size import LARGEST_PROTO, tensor_bytes


class UpgradeOpsetPass(ir.passes.FunctionalPass):
    """Return the model in opset 13 if it is older, else a copy.

    Raises:
        ModelError: the model cannot be converted.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        copy = model.clone()
        if "ai.onnx" in copy.opset_imports:
            copy.opset_imports[""] = copy.opset_imports.pop("ai.onnx")
        opset = copy.opset_imports.get("", OLDEST)
        if opset >= OLDEST:
            return ir.passes.PassResult(copy, "ai.onnx" in model.opset_imports)
        return ir.passes.PassResult(_converted(copy, opset), True)


def _converted(model: ir.Model, opset: int) -> ir.Model:
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
