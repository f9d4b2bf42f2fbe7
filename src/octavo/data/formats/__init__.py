"""Input formats, one file each, behind a registry."""

from __future__ import annotations

from octavo.data.formats.format import Format
from octavo.data.formats.registry import FORMATS, format_of

__all__ = ["FORMATS", "Format", "format_of"]
