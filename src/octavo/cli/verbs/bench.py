"""`octavo bench`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from octavo.cli.dims import parse_dims
from octavo.cli.options import BUNDLE, Force
from octavo.cli.outputs import check_outputs
from octavo.errors import OptionError
from octavo.report.terminal.console import stdout


def command(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="ONNX files, and bundles.", show_default=False)
    ],
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Samples a run.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=256,
            help="Threads; by default one for a bundle, and as ONNX Runtime chooses for others.",
            show_default=False,
        ),
    ] = None,
    dim: Annotated[
        list[str] | None, typer.Option("--dim", help="Size of a dynamic dimension, as NAME=SIZE; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="About how long to measure.")] = 5.0,
    operators: Annotated[
        bool, typer.Option("--operators", help="Show which operators of the bundles take the time.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write all that was measured there.")] = None,
    force: Force = False,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Also the energy of a run: measured where that is possible, else estimated."),
    ] = False,
) -> None:
    """Time models in turn on random inputs: median and quartiles."""
    if operators and not any(path.suffix == BUNDLE for path in models):
        raise OptionError("--operators needs a bundle among the models; make one with octavo compile")
    check_outputs([json], [*models], force)
    from octavo.measure import latencies
    from octavo.measure.feeds import random_feeds
    from octavo.report.terminal.latency import bench_json, show_latencies
    from octavo.report.terminal.operators import show_operators
    from octavo.report.terminal.progress import watcher
    from octavo.system.files import write_text

    sessions, sizes = zip(*(_timed(path, threads) for path in models), strict=True)
    dims = parse_dims(dim)
    feeds = [random_feeds(session.inputs, batch_size, dims) for session in sessions]
    with watcher() as progress:
        found = latencies(sessions, feeds, seconds=seconds, progress=progress)
    show_latencies(
        stdout(), [str(path) for path in models], sizes, found, batch_size, _threads(models, threads), _engines(models)
    )
    costs = {
        path: session.time_operators(given, max(each.runs // 10, 3))
        for path, session, given, each in zip(models, sessions, feeds, found, strict=True)
        if operators and path.suffix == BUNDLE
    }
    for path, each in costs.items():
        show_operators(stdout(), str(path), each)
    if json is not None:
        write_text(json, bench_json(models, sizes, found, batch_size, threads, costs))
    if energy:
        _show_energy(models, sessions, feeds, seconds)


def _timed(path: Path, threads: int | None) -> tuple[Any, int]:
    """An engine for a model or a bundle, and the bytes that it is stored in."""
    from octavo.engines.native import load as load_bundle
    from octavo.engines.onnxruntime import Session
    from octavo.graph import load, stored_bytes

    if path.suffix == BUNDLE:
        return load_bundle(path, threads=threads or 1), path.stat().st_size
    model = load(path)
    return Session(model, threads=threads, saturate=True), stored_bytes(model)


def _show_energy(models: list[Path], sessions: Any, feeds: list[Any], seconds: float) -> None:
    """Of one run of each model: by the processor's counter, or an estimate where there is none to read."""
    from octavo.measure import EnergyCounter, energy_counter, estimate, joules
    from octavo.report.terminal.energy import show_estimated, show_measured

    names, counter = [str(path) for path in models], energy_counter()
    if isinstance(counter, EnergyCounter):
        show_measured(stdout(), names, joules(sessions, feeds, counter, seconds))
    else:
        works = [_work(path, inputs) for path, inputs in zip(models, feeds, strict=True)]
        show_estimated(stdout(), names, works, [estimate(work) for work in works], counter)


def _work(path: Path, feeds: Any) -> Any:
    """What a run of a model or a bundle has to do."""
    from octavo.compiler import read_bundle
    from octavo.compiler.work import bundle_work
    from octavo.graph import load
    from octavo.measure import model_work

    return bundle_work(read_bundle(path.read_bytes())) if path.suffix == BUNDLE else model_work(load(path), feeds)


def _engines(models: list[Path]) -> str:
    """The engines that time these files."""
    from octavo.native import cpu

    bundles = [path.suffix == BUNDLE for path in models]
    names = ["ONNX Runtime"] * (not all(bundles)) + [f"native ({cpu().runs})"] * any(bundles)
    return " and ".join(names)


def _threads(models: list[Path], threads: int | None) -> str:
    """How many threads each engine runs on."""
    from octavo.report.text import number_of

    bundles = [path.suffix == BUNDLE for path in models]
    if threads is not None or all(bundles):
        return number_of(threads or 1, "thread")
    return f"{'1 thread native, ' * any(bundles)}threads as ONNX Runtime chooses ({os.cpu_count()} cores)"
