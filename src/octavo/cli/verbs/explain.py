"""`octavo explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.report.terminal.console import stdout


def command(
    bounds: Annotated[
        tuple[float, float] | None, typer.Option("--range", metavar="LOW HIGH", help="Real range to quantize.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Array to take the range from: .npy, .npz or .onnx.")
    ] = None,
    tensor: Annotated[str | None, typer.Option("--tensor", help="Name of the array in the file.")] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="Grid: int8, uint8, int4, int8[-127,127], ...")] = "int8",
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Fix the zero point at the middle of the grid.")
    ] = False,
    axis: Annotated[int | None, typer.Option("--axis", help="Use one scale per channel along this axis.")] = None,
    values: Annotated[
        list[float] | None, typer.Option("--value", help="Value to quantize and dequantize; repeatable.")
    ] = None,
) -> None:
    """Derive scale and zero point step by step."""
    import octavo
    from octavo.report.plain import plain
    from octavo.report.terminal.derivation import show_channels, show_derivation

    explanation = octavo.explain(
        bounds, weights=weights, tensor=tensor, dtype=dtype, symmetric=symmetric, axis=axis, values=values or ()
    )
    console = stdout()
    show_derivation(console, plain(explanation.derivation))
    if explanation.axis is not None:
        show_channels(console, plain(explanation.channel_errors()), explanation.axis)
