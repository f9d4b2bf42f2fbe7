"""What an output format is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx_ir as ir


@dataclass(frozen=True)
class Format:
    """An output format.

    Attributes:
        name: unique; what `format` selects.
        suffixes: of paths that select the format, in lower case with the dot.
        write: writes a quantized model in QDQ form to a path, atomically, replacing an existing file. Raises
            ModelError, before it writes anything, if the format cannot represent the model.
    """

    name: str
    suffixes: tuple[str, ...]
    write: Callable[[ir.Model, Path], None]
