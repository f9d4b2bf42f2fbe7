"""ONNX operators as differentiable PyTorch functions, one file per family."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.elementwise import ELEMENTWISE
from octavo.torch.run.operators.grids import GRIDS
from octavo.torch.run.operators.inputs import Inputs, Operator
from octavo.torch.run.operators.layers import LAYERS
from octavo.torch.run.operators.masks import MASKS
from octavo.torch.run.operators.shapes import SHAPES

__all__ = ["OPERATORS", "Inputs", "is_translatable"]

OPERATORS: dict[str, Operator] = {**LAYERS, **ELEMENTWISE, **SHAPES, **MASKS, **GRIDS}


def is_translatable(node: ir.Node) -> bool:
    """Whether the operator is in the table and the node has no attribute that is not implemented."""
    if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
        return False
    auto_pad = node.attributes.get("auto_pad")
    explicit = auto_pad is None or auto_pad.as_string() == "NOTSET"
    return explicit and not attribute(node, "ceil_mode", 0) and _has_supported_form(node)


def _has_supported_form(node: ir.Node) -> bool:
    match node.op_type:
        case "Dropout" | "MaxPool" | "LayerNormalization" | "BatchNormalization":
            return not any(output.name for output in node.outputs[1:])
        case "Pad":
            mode = node.attributes.get("mode")
            return mode is None or mode.as_string() == "constant"
        case "ConvTranspose":
            return "output_shape" not in node.attributes
    return True
