"""What leaves for another runtime: a quantized model as a bundle of Octavo's own."""

from __future__ import annotations

from octavo.compiler.bundle import Bundle, read_bundle
from octavo.compiler.compile import compile_model
from octavo.compiler.program import Place

__all__ = ["Bundle", "Place", "compile_model", "read_bundle"]
