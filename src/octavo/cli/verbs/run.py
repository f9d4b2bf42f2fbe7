"""`octavo run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from octavo.cli.options import Force, NativeThreads
from octavo.cli.outputs import check_outputs
from octavo.report.terminal.console import stdout


def command(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What compile wrote.", show_default=False)],
    given: Annotated[
        Path, typer.Option("--input", "-i", help="The input as .npy, or several by name as .npz.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The output as .npy, or all by name as .npz.", show_default=False)
    ],
    threads: NativeThreads = 1,
    force: Force = False,
) -> None:
    """Run a bundle once."""
    check_outputs([output], [bundle, given], force)
    from octavo.data.array_files import read_arrays, write_arrays
    from octavo.engines.native import load

    session = load(bundle, threads=threads)
    results = session.run(read_arrays(given, [spec.name for spec in session.inputs]))
    write_arrays(output, results)
    stdout().print(f"{escape(str(output))} holds {escape(', '.join(results))}", soft_wrap=True)
