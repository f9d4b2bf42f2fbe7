"""Models that are named on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def open_model(path: Path) -> Any:
    """The path of a file, or the model that `package.module:factory` makes, exported to ONNX.

    Raises:
        ModelError: the factory cannot be imported, or its module cannot be exported.
    """
    from octavo.torch import is_factory, load_factory, to_onnx

    return to_onnx(*load_factory(str(path))) if not path.exists() and is_factory(str(path)) else path
