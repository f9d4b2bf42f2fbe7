"""`octavo explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.errors import DataError, OptionError
from octavo.report.terminal.console import stdout


def command(
    bounds: Annotated[
        tuple[float, float] | None, typer.Option("--range", metavar="LOW HIGH", help="The real range to map.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Take the range from an array: .npy, .npz or .onnx.")
    ] = None,
    tensor: Annotated[str | None, typer.Option("--tensor", help="Which array of the file.")] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="The grid: int8, uint8, int4, int8[-127,127], ...")] = "int8",
    symmetric: Annotated[bool, typer.Option("--symmetric", help="Fix the zero point at the grid's middle.")] = False,
    axis: Annotated[int | None, typer.Option("--axis", help="One scale for each channel along this axis.")] = None,
    value: Annotated[list[float] | None, typer.Option("--value", help="Map a value and back; repeatable.")] = None,
) -> None:
    """Show the derivation of scale and zero point, step by step."""
    import numpy as np

    from octavo.affine import Grid, derive, params_from_array
    from octavo.data.array_files import read_tensor
    from octavo.report.terminal.derivation import show_channels, show_derivation

    if (bounds is None) == (weights is None):
        raise OptionError("give either --range LOW HIGH or --weights FILE")
    if axis is not None and weights is None:
        raise OptionError("--axis needs --weights; a range has no channels")
    grid, console = Grid.parse(dtype), stdout()
    with np.errstate(over="ignore"):
        array = np.asarray(bounds, np.float32) if weights is None else read_tensor(weights, tensor)
    if array.size == 0 or not bool(np.isfinite(array).all()):
        raise DataError("the array is empty or holds NaN or infinity; give finite numbers")
    channels = None if axis is None else params_from_array(array, grid, symmetric=symmetric, axis=axis)
    low, high = bounds or (float(array.min()), float(array.max()))
    show_derivation(console, derive(low, high, grid, symmetric=symmetric, values=value or ()))
    if axis is not None and channels is not None:
        show_channels(console, array, channels, axis % array.ndim)
