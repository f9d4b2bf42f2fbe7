"""ONNX with QuantizeLinear and DequantizeLinear nodes, which ONNX Runtime and others run."""

from __future__ import annotations

from octavo.export.format import Format
from octavo.graph import save

QDQ = Format("qdq", (".onnx",), save)
