"""ONNX models: load, prepare, plan, place Q/DQ, prove, save."""

from __future__ import annotations

from octavo.graph.load import load, source_files, stored_bytes
from octavo.graph.prepare import prepare
from octavo.graph.save import save
from octavo.graph.size import model_bytes
from octavo.graph.spec import TensorSpec, input_specs, output_specs

__all__ = [
    "TensorSpec",
    "input_specs",
    "load",
    "model_bytes",
    "output_specs",
    "prepare",
    "save",
    "source_files",
    "stored_bytes",
]
