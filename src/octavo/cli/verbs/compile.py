"""`octavo compile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from octavo.cli.dims import parse_dims_or_bounds
from octavo.cli.options import Overwrite
from octavo.cli.outputs import check_outputs
from octavo.report.terminal.console import stdout


def command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Quantized model that quantize wrote.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write.", show_default=False)],
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, help="Fix a dynamic first axis at this size.", show_default=False),
    ] = None,
    dims: Annotated[
        list[str] | None,
        typer.Option("--dim", help="Fix a dynamic dimension (NAME=SIZE) or bound it (NAME=MIN..MAX); repeatable."),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compile a quantized model into a bundle for the native runtime.

    Dynamic dimensions of the inputs stay dynamic, at most two of them.
    """
    check_outputs([output], [model], overwrite)
    import octavo
    from octavo.report.text import size

    content = octavo.compile(model, output, batch=batch, dims=parse_dims_or_bounds(dims), overwrite=overwrite)
    stdout().print(f"{escape(str(output))} holds {escape(str(model))} in {size(len(content))}", soft_wrap=True)
