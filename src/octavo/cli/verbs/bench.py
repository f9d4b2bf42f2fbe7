"""`octavo bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.dims import parse_dims
from octavo.cli.options import Overwrite
from octavo.cli.outputs import check_outputs
from octavo.report.terminal.console import stdout


def command(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="ONNX files and bundles.", show_default=False)
    ],
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Samples per run.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=256,
            help="Threads; by default 1 for bundles, and ONNX Runtime's own choice for ONNX files.",
            show_default=False,
        ),
    ] = None,
    dims: Annotated[
        list[str] | None, typer.Option("--dim", help="Size of a dynamic dimension, as NAME=SIZE; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Approximate measuring time in seconds.")] = 5.0,
    operators: Annotated[
        bool, typer.Option("--operators", help="Show the time of each operator of the bundles.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write the timings as JSON to this file.")] = None,
    overwrite: Overwrite = False,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Show the energy of a run: measured if there is a counter, else estimated."),
    ] = False,
) -> None:
    """Time models in turn on random inputs: median and quartiles."""
    check_outputs([json], models, overwrite)
    import octavo
    from octavo.report.plain import plain
    from octavo.report.terminal.energy import show_energy
    from octavo.report.terminal.latency import show_latencies
    from octavo.report.terminal.operators import show_operators
    from octavo.report.terminal.progress import watcher
    from octavo.system.files import write_text

    with watcher() as progress:
        benchmark = octavo.bench(
            *models,
            batch_size=batch_size,
            threads=threads,
            dims=parse_dims(dims),
            seconds=seconds,
            operators=operators,
            energy=energy,
            progress=progress,
        )
    console = stdout()
    show_latencies(console, plain(benchmark), octavo.cpu().runs)
    for model in benchmark.to_dict()["models"]:
        if model["operators"] is not None:
            show_operators(console, model["model"], model["operators"])
    if json is not None:
        write_text(json, benchmark.to_json() + "\n")
    if energy:
        show_energy(console, plain(benchmark))
