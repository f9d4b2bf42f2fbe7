"""Infer element types and shapes; what cannot be inferred stays unknown."""

from __future__ import annotations

import logging

import onnx_ir as ir
import onnx_ir.passes.common as common


def infer_shapes(model: ir.Model) -> None:
    """Infer what ONNX can; a failure leaves the model as it was, for shapes are an aid and no condition."""
    logger = logging.getLogger("onnx_ir")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        common.ShapeInferencePass(check_type=False, strict_mode=False)(model)
    finally:
        logger.setLevel(level)
