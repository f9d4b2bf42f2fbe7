"""Write the HTML page of a saved result."""

from __future__ import annotations

import os
from pathlib import Path

from octavo.system.files import new_path, write_text


def write_page(
    result: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    title: str = "",
    overwrite: bool = False,
) -> Path:
    """Write the HTML page of a result that `write_json` saved; `QuantizationResult.report` writes that of a result.

    Args:
        result: the JSON file.
        path: the page to write; by default the JSON file's name with the suffix .html.
        title: title of the page; by default the JSON file's name.
        overwrite: replace an existing file.

    Returns:
        The path of the page.

    Raises:
        OptionError: the JSON file cannot be read or is not a result, the page exists and `overwrite` is not set, or it
            cannot be written.
        DependencyError: the plotting library is not installed.
    """
    # Loads the template engine and the plotting library.
    from octavo.report.html import read_result, result_page

    source = Path(result)
    output = new_path(source.with_suffix(".html") if path is None else path, overwrite)
    write_text(output, result_page(read_result(source), title or source.stem))
    return output
