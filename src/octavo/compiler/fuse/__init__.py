"""Fusion: operator patterns of exporters, each replaced by the one operator they compute. One ONNX pass a file."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.fuse_bias import FuseBiasPass
from octavo.compiler.fuse.fuse_gelu import FuseGeluPass
from octavo.compiler.fuse.fuse_layer_norm import FuseLayerNormPass

# In order. They need static shapes.
FUSIONS: tuple[ir.passes.PassBase, ...] = (FuseLayerNormPass(), FuseGeluPass(), FuseBiasPass())

__all__ = ["FUSIONS"]
