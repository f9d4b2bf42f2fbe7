"""`octavo run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from octavo.cli.options import NativeThreads, Overwrite
from octavo.cli.outputs import check_outputs
from octavo.report.terminal.console import stdout


def command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Bundle that compile wrote.", show_default=False)],
    inputs: Annotated[
        Path, typer.Option("--input", "-i", help="Input as .npy, or inputs by name as .npz.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Output as .npy, or outputs by name as .npz.", show_default=False)
    ],
    threads: NativeThreads = 1,
    overwrite: Overwrite = False,
) -> None:
    """Run a bundle once."""
    check_outputs([output], [bundle, inputs], overwrite)
    import octavo
    from octavo.data.array_files import write_arrays

    outputs = octavo.run(bundle, inputs, threads=threads)
    write_arrays(output, outputs)
    stdout().print(f"{escape(str(output))} holds {escape(', '.join(outputs))}", soft_wrap=True)
