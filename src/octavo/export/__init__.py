"""What leaves for another runtime: a quantized model as a bundle of Octavo's own."""

from __future__ import annotations

from octavo.export.bundle import Bundle, read_bundle
from octavo.export.compile import compile_model
from octavo.export.program import Place

__all__ = ["Bundle", "Place", "compile_model", "read_bundle"]
