"""Custom operators for ONNX Runtime that the native module contains, and the range sketches that they fill."""

from __future__ import annotations

from octavo.native._native import Sketches
from octavo.native._native import __file__ as _library

__all__ = ["Sketches", "operator_library"]


def operator_library() -> str:
    """Path of the library that an ONNX Runtime session registers for the custom operators of the domain "octavo"."""
    return _library
