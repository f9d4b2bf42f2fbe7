"""Time models and bundles in turn on random inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from octavo.compiler import read_bundle
from octavo.compiler.workload import bundle_workload
from octavo.data import Arrays, FilePath
from octavo.engines import Engine
from octavo.engines.native import NativeSession, OperatorCost
from octavo.engines.onnxruntime import Session
from octavo.errors import OptionError
from octavo.graph import load, stored_bytes
from octavo.graph.workload import Workload
from octavo.measure import Energy, EnergyCounter, Latency, energy_counter, estimate, joules, latencies, model_workload
from octavo.measure.energy import SOURCE
from octavo.measure.feeds import random_feeds
from octavo.system.progress import Progress

BUNDLE = ".oct"
# Operators are timed in a tenth of the runs, and in no fewer than this.
_LEAST_OPERATOR_RUNS = 3


@dataclass(frozen=True)
class Timing:
    """What was measured of one model.

    Attributes:
        model: path of the model or bundle.
        native: whether it ran in the native runtime; others ran in ONNX Runtime.
        size_bytes: size of the stored model.
        latency: milliseconds of a run.
        operators: time of each operator of a bundle; None where it was not measured.
        joules: measured energy of a run; None where it was not measured.
        work: operations and bytes of a run; None where energy was measured or is not wanted.
        estimate: the energy that follows from `work`; None where `work` is None.
    """

    model: Path
    native: bool
    size_bytes: int
    latency: Latency
    operators: list[OperatorCost] | None = None
    joules: float | None = None
    work: Workload | None = None
    estimate: Energy | None = None


@dataclass(frozen=True)
class Benchmark:
    """Timings of several models, interleaved in one run.

    Attributes:
        timings: one for each model, in the order given.
        batch_size: size of a dynamic first axis.
        threads: as given; None for the default of each engine.
        no_counter: why energy was not measured; empty where it was, or is not wanted.
        energy_source: where the energies of one operation come from, for estimates.
    """

    timings: list[Timing]
    batch_size: int
    threads: int | None
    no_counter: str = ""
    energy_source: str = SOURCE

    def to_dict(self) -> dict[str, Any]:
        """Latencies and times of operators in the types of JSON, as `octavo bench --json` writes them.

        `threads` is None where none was given, and `operators` where operators were not timed.
        """
        models = [
            {
                "model": str(timing.model),
                "size_bytes": timing.size_bytes,
                **asdict(timing.latency),
                "operators": _plain_costs(timing.operators),
            }
            for timing in self.timings
        ]
        return {"batch": self.batch_size, "threads": self.threads, "models": models}

    def to_json(self) -> str:
        """`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def bench(
    *models: FilePath,
    batch_size: int = 1,
    threads: int | None = None,
    dims: Mapping[str, int] | None = None,
    seconds: float = 5.0,
    operators: bool = False,
    energy: bool = False,
    progress: Progress | None = None,
) -> Benchmark:
    """Time models in turn on random inputs, in ONNX Runtime, or in the native runtime for bundles.

    Args:
        models: paths of ONNX files and bundles (.oct).
        batch_size: size of a dynamic first axis.
        threads: number of threads; by default 1 for a bundle, and ONNX Runtime's own choice for others.
        dims: sizes of dynamic dimensions by name; 128 by default.
        seconds: about how long to measure.
        operators: time each operator of the bundles too.
        energy: measure the energy of a run, or count its work for an estimate where the machine has no counter.
        progress: receives progress events.

    Raises:
        ModelError: a model cannot be read or run.
        OptionError: there is no model, `dims` names an unknown dimension, or `operators` is set without a bundle.
    """
    paths = [Path(model) for model in models]
    if not paths:
        raise OptionError("there is no model to time; give one or more")
    native = [path.suffix == BUNDLE for path in paths]
    if operators and not any(native):
        raise OptionError("`operators` needs a bundle among the models; make one with octavo compile")
    engines, sizes = zip(*(_open(path, threads) for path in paths), strict=True)
    feeds = [random_feeds(engine.inputs, batch_size, dims) for engine in engines]
    measured = latencies(engines, feeds, seconds=seconds, progress=progress)
    costs = [_operators(*row) if operators else None for row in zip(engines, feeds, measured, strict=True)]
    energies, works, no_counter = _energy(paths, engines, feeds, seconds) if energy else ([], [], "")
    timings = [
        Timing(
            path,
            native[i],
            sizes[i],
            measured[i],
            costs[i],
            energies[i] if energies else None,
            works[i] if works else None,
            estimate(works[i]) if works else None,
        )
        for i, path in enumerate(paths)
    ]
    return Benchmark(timings, batch_size, threads, no_counter)


def _plain_costs(costs: Sequence[OperatorCost] | None) -> list[dict[str, Any]] | None:
    return None if costs is None else [{**asdict(cost), "gops": cost.gops} for cost in costs]


def _open(path: Path, threads: int | None) -> tuple[Engine, int]:
    """An engine for a model or bundle, and the size of what is stored."""
    if path.suffix == BUNDLE:
        return NativeSession(path, threads=threads or 1), path.stat().st_size
    model = load(path)
    return Session(model, threads=threads, saturate=True), stored_bytes(model)


def _operators(engine: Engine, feeds: Arrays, latency: Latency) -> list[OperatorCost] | None:
    if not isinstance(engine, NativeSession):
        return None
    return engine.time_operators(feeds, max(latency.runs // 10, _LEAST_OPERATOR_RUNS))


def _energy(
    paths: Sequence[Path], engines: Sequence[Engine], feeds: Sequence[Arrays], seconds: float
) -> tuple[list[float], list[Workload], str]:
    """Measured joules, or the work of each model and the reason why there is no counter."""
    counter = energy_counter()
    if isinstance(counter, EnergyCounter):
        return joules(engines, feeds, counter, seconds), [], ""
    return [], [_work(path, inputs) for path, inputs in zip(paths, feeds, strict=True)], counter


def _work(path: Path, feeds: Arrays) -> Workload:
    if path.suffix == BUNDLE:
        return bundle_workload(read_bundle(path.read_bytes()))
    return model_workload(load(path), feeds)
