"""Infer element types and shapes; what cannot be inferred stays unknown."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common

from octavo.graph.quiet import quiet


def infer_shapes(model: ir.Model) -> None:
    """Infer what ONNX can; a failure leaves the model as it was, for shapes are an aid and no condition."""
    with quiet("onnx_ir"):
        common.ShapeInferencePass(check_type=False, strict_mode=False)(model)
