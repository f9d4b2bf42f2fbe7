"""Registry of output formats. A new format is a file in this folder and its entry in `FORMATS`."""

from __future__ import annotations

import os
from pathlib import Path

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.export.bundle import BUNDLE
from octavo.export.format import Format
from octavo.export.qdq import QDQ
from octavo.system.files import new_path

# The first is the default.
FORMATS: tuple[Format, ...] = (
    QDQ,
    BUNDLE,
)


def find_format(path: str | os.PathLike[str], name: str | None = None) -> Format:
    """The format of this name or, without a name, that of the path's suffix; the default for other suffixes.

    Raises:
        OptionError: there is no format of this name.
    """
    if name is None:
        suffix = Path(path).suffix.lower()
        return next((known for known in FORMATS if suffix in known.suffixes), FORMATS[0])
    named = next((known for known in FORMATS if known.name == name), None)
    if named is None:
        raise OptionError(f"there is no output format '{name}'; choose {_choices()}")
    return named


def export_model(
    model: ir.Model, path: str | os.PathLike[str], format: str | None = None, *, overwrite: bool = False
) -> Path:
    """Write a quantized model, atomically.

    Args:
        model: the model in QDQ form.
        path: the file to write.
        format: name of the output format; None chooses it by the path's suffix.
        overwrite: replace an existing file.

    Returns:
        The path.

    Raises:
        ModelError: the format cannot represent the model.
        OptionError: there is no such format, or the file exists or cannot be written.
    """
    output_format = find_format(path, format)
    output = new_path(path, overwrite)
    output_format.write(model, output)
    return output


def _choices() -> str:
    *others, last = (known.name for known in FORMATS)
    return f"{', '.join(others)} or {last}"
