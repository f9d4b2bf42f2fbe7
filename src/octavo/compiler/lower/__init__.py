"""Lowering: from an ONNX graph in QDQ form to operators of the native runtime, one file an operator family."""

from __future__ import annotations

from octavo.compiler.lower.graph_lowering import lower

__all__ = ["lower"]
