"""The compiler: a quantized ONNX model to a bundle of the native runtime."""

from __future__ import annotations

from octavo.compiler.bundle import Bundle, read_bundle
from octavo.compiler.compile import compile_model
from octavo.compiler.program import Place

__all__ = ["Bundle", "Place", "compile_model", "read_bundle"]
