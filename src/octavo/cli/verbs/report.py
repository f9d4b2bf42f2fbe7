"""`octavo report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from octavo.cli.options import Overwrite
from octavo.cli.outputs import check_outputs
from octavo.report import write_page
from octavo.report.terminal.console import stdout


def command(
    result: Annotated[
        Path, typer.Argument(metavar="RESULT", help="JSON file that quantize --json wrote.", show_default=False)
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="HTML file to write; by default RESULT with .html.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the HTML page of a JSON result."""
    path = output or result.with_suffix(".html")
    check_outputs([path], [result], overwrite)
    write_page(result, path, overwrite=overwrite)
    stdout().print(f"{escape(str(path))} shows {escape(str(result))}", soft_wrap=True)
