"""Time of the calibration pass relative to float inference of the same samples.

    python -m benchmarks.calibration_pass [CASE ...] [--samples N] [--seconds S] [--cases FOLDER] [--json PATH]

The calibration samples of each case, and a few random ones of each full-size network, are repeated to 3,000, with
noise; to fewer where plain inference would take more than three seconds. Interleaved in rounds: plain inference in
ONNX Runtime, the same with all tensors that calibration observes as outputs, and Octavo's pass, which also
checks the samples and computes ranges and histograms. All reopen the model, and use all cores. A ratio is the median
over the rounds of seconds / seconds of plain inference; in brackets, its quartiles.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir

from benchmarks.cases import Arrays, parser
from benchmarks.cases import load as load_case
from benchmarks.networks import Network
from benchmarks.prepared import selected
from benchmarks.quantize_run import bare_forward
from benchmarks.quantize_time import MANY, repeated
from benchmarks.tables import machine_line, markdown, write_json
from benchmarks.tools import TARGET, batches, quiet
from octavo.calibrate import run as calibrate
from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.graph import input_specs, load, prepare
from octavo.graph.plan import make_plan
from octavo.ranges import estimator
from octavo.targets import target

_BATCH = 32
_LONGEST_FORWARD = 3.0
_NETWORK_SAMPLES = 8


@dataclass(frozen=True)
class Workload:
    """The file of a float model, and samples."""

    name: str
    model: Path
    samples: Arrays


def of_network(network: Network, folder: Path) -> Workload:
    """Write the network's float model into the folder, with random samples."""
    path = folder / f"{network.name}.onnx"
    ir.save(network.model(), path)
    return Workload(network.name, path, {"input": network.samples(_NETWORK_SAMPLES)})


def of_case(cases_folder: Path, name: str) -> Workload:
    """The float model of a case with its calibration samples."""
    case = load_case(cases_folder, name)
    return Workload(name, case.model, case.calibration)


class Work:
    """The prepared model, the names of the observed tensors, and samples."""

    def __init__(self, case: Workload, count: int) -> None:
        self.path = case.model
        self.model: ir.Model = prepare(load(case.model))
        plan = make_plan(self.model, target(TARGET))
        self.observers = {name: estimator(tensor.estimator).observer for name, tensor in plan.tensors.items()}
        self.samples: Arrays = repeated(case.samples, count)

    def forward(self) -> object:
        return bare_forward(self.path, self.samples)

    def outputs(self) -> object:
        inputs = {value.name for value in self.model.graph.inputs}
        inner = [name for name in self.observers if name not in inputs]
        session = Session(self.model, outputs=inner, reuse=True)
        for batch in batches(self.samples, _BATCH):
            session.run(batch)
        return session

    def calibration(self) -> object:
        return calibrate(
            self.model, self.observers, open_samples(self.samples, input_specs(self.model)), identify=False
        )


def measure(case: Workload, count: int, seconds: float) -> dict[str, Any]:
    """The seconds of each pass, and their ratios to plain inference."""
    fewest = len(next(iter(case.samples.values())))
    seconds_per_sample = timed(lambda: bare_forward(case.model, case.samples)) / fewest
    count = max(fewest, min(count, int(_LONGEST_FORWARD / seconds_per_sample)))
    work = Work(case, count)
    runs: dict[str, Callable[[], object]] = {
        "forward": work.forward,
        "outputs": work.outputs,
        "pass": work.calibration,
    }
    seconds_by_run: dict[str, list[float]] = {name: [] for name in runs}
    until = time.perf_counter() + seconds
    while len(seconds_by_run["pass"]) < 3 or time.perf_counter() < until:
        for name, run in runs.items():
            seconds_by_run[name].append(timed(run))
    ratios = {name: quartiles(seconds_by_run[name], seconds_by_run["forward"]) for name in ("outputs", "pass")}
    return {
        "case": case.name,
        "samples": count,
        "rounds": len(seconds_by_run["pass"]),
        "tensors": len(work.observers),
        "seconds": {name: float(np.median(durations)) for name, durations in seconds_by_run.items()},
        "ratios": ratios,
    }


def timed(run: Callable[[], object]) -> float:
    """The seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def quartiles(durations: list[float], forward: list[float]) -> list[float]:
    """The quartiles of the ratio over the rounds."""
    return [float(quantile) for quantile in np.quantile(np.divide(durations, forward), [0.25, 0.5, 0.75])]


def row(figures: dict[str, Any]) -> list[str]:
    """One row of the table."""
    cells = [
        f"{ratio:.2f} [{low:.2f}, {high:.2f}]" for low, ratio, high in map(figures["ratios"].get, ("outputs", "pass"))
    ]
    counts = [f"{figures[name]:,}" for name in ("samples", "tensors")]
    return [figures["case"], *counts, f"{figures['seconds']['forward'] * 1e3:.0f}", *cells]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--samples", type=int, default=MANY, help=f"of each case; default {MANY:,}")
    options.add_argument("--seconds", type=float, default=10.0, help="how long to time each case; default 10")
    arguments = options.parse_args()
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        cases = selected(arguments, partial(of_network, folder=Path(folder)), of_case)
        results = [measure(case, arguments.samples, arguments.seconds) for case in cases]
    if results:
        headers = ["case", "samples", "tensors", "forward ms", "outputs ÷ forward", "pass ÷ forward"]
        print(markdown(headers, [row(figures) for figures in results]))
        print(f"\n{machine_line()}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
