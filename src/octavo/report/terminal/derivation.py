"""The derivation of a scale and zero point, step by step."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import decibels

_MAX_CHANNELS = 64


def show_derivation(console: Console, derivation: Plain) -> None:
    """Print each step, then each value quantized and dequantized.

    Args:
        console: where to print.
        derivation: the plain form of a `Derivation`.
    """
    table = Table(title="Derivation", title_justify="left", show_lines=True)
    table.add_column("step", no_wrap=True)
    table.add_column("how", overflow="fold")
    table.add_column("result", overflow="fold")
    for step in derivation["steps"]:
        table.add_row(*(escape(step[key]) for key in ("title", "formula", "result")))
    console.print(table)
    if derivation["rows"]:
        console.print(_values(derivation["rows"]))


def show_channels(console: Console, channels: Sequence[Plain], axis: int) -> None:
    """Print range, parameters and quantization error of each channel.

    Args:
        console: where to print.
        channels: the plain form of one `ChannelError` for each channel.
        axis: the channel axis.
    """
    table = Table(title=f"Channels along axis {axis}", title_justify="left")
    for heading in ("channel", "low", "high", "S", "Z", "largest\nerror / S", "SQNR"):
        table.add_column(heading, justify="right", overflow="fold")
    for number, channel in enumerate(channels[:_MAX_CHANNELS]):
        table.add_row(
            str(number),
            *(f"{channel[key]:.5g}" for key in ("low", "high", "scale")),
            str(channel["zero_point"]),
            f"{channel['largest_error']:.4f}",
            "exact" if channel["sqnr_db"] is None else decibels(channel["sqnr_db"]),
        )
    console.print(table)
    if len(channels) > _MAX_CHANNELS:
        console.print(f"and {len(channels) - _MAX_CHANNELS} more channels")


def _values(rows: Sequence[Plain]) -> Table:
    table = Table(title="Values: q = clip(round(x / S) + Z), x' = S (q - Z)", title_justify="left")
    for heading in ("x", "x / S", "q", "x'", "x' - x", "S / 2", ""):
        table.add_column(heading, justify="right", overflow="fold")
    for row in rows:
        table.add_row(
            f"{row['value']:.9g}",
            f"{row['quotient']:.6g}",
            str(row["q"]),
            f"{row['dequantized']:.9g}",
            f"{row['error']:.3g}",
            "" if row["bound"] is None else f"{row['bound']:.6g}",
            "clipped" if row["clipped"] else "",
        )
    return table
