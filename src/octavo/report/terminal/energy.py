"""Energies of a run side by side, measured or estimated."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.graph.work import Work
from octavo.measure import Energy
from octavo.measure.energy import SOURCE
from octavo.report.text import short, times

_MILLI = 1e3
_GIGA, _MEGA = 1e9, 1e6


def show_measured(console: Console, names: Sequence[str], joules: Sequence[float]) -> None:
    """Print what the processor's counter says of one run of each model."""
    table = Table(title="Energy of a run, measured", title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("mJ", "against\nthe first"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, each in zip(names, joules, strict=True):
        table.add_row(escape(name), short(each * _MILLI), _against(joules[0], each, each is joules[0]))
    console.print(table)
    console.print("The processor's counter (RAPL) counts all that it does, idling and other programs included.")


def show_estimated(
    console: Console, names: Sequence[str], works: Sequence[Work], energies: Sequence[Energy], why: str
) -> None:
    """Print an estimate, what it follows from, and why nothing was measured."""
    table = Table(title="Energy of a run, estimated", title_justify="left")
    table.add_column("model", overflow="fold")
    headings = ("INT8\nGMAC", "FP32\nGMAC", "weights\nMB", "tensors\nMB", "mJ", "against\nthe first")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, work, energy in zip(names, works, energies, strict=True):
        counts = [short(work.int8_macs / _GIGA), short(work.float_macs / _GIGA)]
        counts += [short(work.weight_bytes / _MEGA), short(work.activation_bytes / _MEGA)]
        first = energies[0]
        table.add_row(
            escape(name),
            *counts,
            short(energy.total * _MILLI),
            _against(first.total, energy.total, energy is first),
        )
    console.print(table)
    console.print(
        f"An estimate, from operations and bytes with the energies of {SOURCE}: {escape(why)}.", soft_wrap=True
    )


def _against(first: float, each: float, same: bool) -> str:
    return "" if same or min(first, each) <= 0 else times(first / each, "less", "more")
