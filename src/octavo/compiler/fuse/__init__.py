"""Patterns that exporters write in several operators, each made the one operator that it means."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.bias import fuse_biases
from octavo.compiler.fuse.gelu import fuse_gelus
from octavo.compiler.fuse.layer_norm import fuse_layer_norms


def fuse(model: ir.Model) -> None:
    """Find the patterns in a model whose shapes are known."""
    for each in (fuse_layer_norms, fuse_gelus, fuse_biases):
        each(model)
    model.graph.sort()


__all__ = ["fuse"]
