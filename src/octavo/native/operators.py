"""Operators for ONNX Runtime in the native module, and what they write to."""

from __future__ import annotations

from octavo.native._native import Sketches
from octavo.native._native import __file__ as _library

__all__ = ["Sketches", "operator_library"]


def operator_library() -> str:
    """The file that a session registers to know the operators of the domain "octavo"."""
    return _library
