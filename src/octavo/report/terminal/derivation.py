"""The worked derivation of scale and zero point."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.affine import Derivation, QuantParams, dequantize, quantize
from octavo.report.text import decibels

_MOST_CHANNELS = 64


def show_derivation(console: Console, derivation: Derivation) -> None:
    """Print each step, then each value mapped and back."""
    table = Table(title="Derivation", title_justify="left", show_lines=True)
    table.add_column("step", no_wrap=True)
    table.add_column("how", overflow="fold")
    table.add_column("result", overflow="fold")
    for step in derivation.steps:
        table.add_row(*(escape(text) for text in (step.title, step.formula, step.result)))
    console.print(table)
    if derivation.rows:
        console.print(_values(derivation))


def show_channels(console: Console, array: NDArray[np.float32], params: QuantParams, axis: int) -> None:
    """Print the parameters of each channel and the error of its values."""
    back = dequantize(quantize(array, params), params)
    rows = np.moveaxis(array, axis, 0).reshape(array.shape[axis], -1).astype(np.float64)
    errors = rows - np.moveaxis(back, axis, 0).reshape(array.shape[axis], -1)
    table = Table(title=f"Channels along axis {axis}", title_justify="left")
    for heading in ("channel", "low", "high", "S", "Z", "largest\nerror / S", "SQNR"):
        table.add_column(heading, justify="right", overflow="fold")
    for channel in range(min(len(rows), _MOST_CHANNELS)):
        row, error, scale = rows[channel], errors[channel], float(params.scale[channel])
        noise, signal = float((error**2).sum()), float((row**2).sum())
        table.add_row(
            str(channel),
            *(f"{number:.5g}" for number in (row.min(initial=0), row.max(initial=0), scale)),
            str(int(params.zero_point[channel])),
            f"{np.abs(error).max(initial=0) / scale:.4f}",
            "exact" if noise == 0 else decibels(10 * np.log10(max(signal, 1e-300) / noise)),
        )
    console.print(table)
    if len(rows) > _MOST_CHANNELS:
        console.print(f"and {len(rows) - _MOST_CHANNELS} channels more")


def _values(derivation: Derivation) -> Table:
    table = Table(title="Values: q = clip(round(x / S) + Z), x' = S (q - Z)", title_justify="left")
    for heading in ("x", "x / S", "q", "x'", "x' - x", "S / 2", ""):
        table.add_column(heading, justify="right", overflow="fold")
    for row in derivation.rows:
        bound = "" if row.bound is None else f"{row.bound:.6g}"
        numbers = [f"{row.value:.9g}", f"{row.quotient:.6g}", str(row.q), f"{row.dequantized:.9g}", f"{row.error:.3g}"]
        table.add_row(*numbers, bound, "clipped" if row.clipped else "")
    return table
