"""Operators for ONNX Runtime in the native module, and what they write to."""

from __future__ import annotations

import octavo.native._native as _native
from octavo.native._native import Sketches

__all__ = ["Sketches", "operator_library"]


def operator_library() -> str:
    """The file that a session registers to know the operators of the domain "octavo"."""
    assert _native.__file__ is not None
    return _native.__file__
