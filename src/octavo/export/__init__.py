"""Output files of a quantized model: one file a format, behind a registry."""

from __future__ import annotations

from octavo.export.format import Format
from octavo.export.registry import FORMATS, export_model, find_format

__all__ = ["FORMATS", "Format", "export_model", "find_format"]
