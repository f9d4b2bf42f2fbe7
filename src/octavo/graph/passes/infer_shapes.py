"""Infer element types and shapes; those that cannot be inferred stay unknown."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common

from octavo.graph.quiet import quiet


class InferShapesPass(ir.passes.InPlacePass):
    """Run ONNX shape inference; if it fails, the model stays unchanged, for no later step depends on it."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        with quiet("onnx_ir"):
            return common.ShapeInferencePass(check_type=False, strict_mode=False)(model)
