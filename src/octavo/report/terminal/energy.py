"""Energy of one run of each model, measured or estimated."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.report.plain import Plain
from octavo.report.text import short, times

_MILLI = 1e3
_GIGA, _MEGA = 1e9, 1e6


def show_energy(console: Console, benchmark: Plain) -> None:
    """Print the energy of one run of each model, measured where the machine has a counter, else estimated.

    Args:
        console: where to print.
        benchmark: the plain form of a `Benchmark` with energy.
    """
    if benchmark["no_counter"]:
        _show_estimated(console, benchmark)
    else:
        _show_measured(console, benchmark)


def _show_measured(console: Console, benchmark: Plain) -> None:
    table = Table(title="Energy of a run, measured", title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("mJ", "against\nthe first"):
        table.add_column(heading, justify="right", no_wrap=True)
    first = benchmark["timings"][0]["joules"]
    for number, timing in enumerate(benchmark["timings"]):
        joules = timing["joules"]
        table.add_row(escape(timing["model"]), short(joules * _MILLI), _ratio(first, joules, number == 0))
    console.print(table)
    console.print("The energy counter of the processor (RAPL) includes idle power and other programs.")


def _show_estimated(console: Console, benchmark: Plain) -> None:
    table = Table(title="Energy of a run, estimated", title_justify="left")
    table.add_column("model", overflow="fold")
    for heading in ("INT8\nGMAC", "FP32\nGMAC", "weights\nMB", "tensors\nMB", "mJ", "against\nthe first"):
        table.add_column(heading, justify="right", no_wrap=True)
    first = _total(benchmark["timings"][0])
    for number, timing in enumerate(benchmark["timings"]):
        work, total = timing["work"], _total(timing)
        table.add_row(
            escape(timing["model"]),
            short(work["int8_macs"] / _GIGA),
            short(work["float_macs"] / _GIGA),
            short(work["weight_bytes"] / _MEGA),
            short(work["activation_bytes"] / _MEGA),
            short(total * _MILLI),
            _ratio(first, total, number == 0),
        )
    console.print(table)
    source, why = benchmark["energy_source"], escape(benchmark["no_counter"])
    console.print(
        f"Estimated from operations and bytes with the energies of {source}; not measured: {why}.", soft_wrap=True
    )


def _total(timing: Plain) -> float:
    """Joules of arithmetic, weights and activations."""
    return float(sum(timing["estimate"].values()))


def _ratio(first: float, joules: float, is_first: bool) -> str:
    return "" if is_first or min(first, joules) <= 0 else times(first / joules, "less", "more")
