"""Expand."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.lower.lowering import Lowering, OpLowering, static_shape
from octavo.compiler.lower.movement import expanded, move
from octavo.compiler.lower.values import LoweredValue


def expand(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Broadcast along axes of length 1."""
    shape = static_shape(node.outputs[0])
    return move(lowering, node, lambda tensor: expanded(lowering, node, tensor, shape))


LOWERINGS = {"Expand": OpLowering(expand)}
