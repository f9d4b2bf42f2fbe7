"""Latency of networks in Octavo's runtime, ONNX Runtime and OpenVINO, INT8 and FP32, batch 1.

    python -m benchmarks.latency [NAME ...] [--threads N ...] [--seconds S] [--cases FOLDER] [--json PATH]

Full-size networks with random weights (ResNet-50, MobileNetV2, MiniLM-L6), and the cases. Octavo quantizes the INT8
models for the targets octavo and x86-vnni; its runtime runs the first, a peer whichever it is faster with. Every
engine is a separate process; the processes are interleaved in rounds, and all but the measured one are stopped
(SIGSTOP), spinning threads included. A ratio is the median over the rounds of milliseconds / Octavo's milliseconds of
the same round: above 1, Octavo is faster. In brackets, its quartiles. The first ratio is against the INT8 peer with
the lower median.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import parser
from benchmarks.prepared import OWN, PEERS, ROOT, Prepared, prepared
from benchmarks.tables import machine_line, markdown, write_json
from benchmarks.tools import quiet

INT8, FP32 = ("onnxruntime", "openvino"), ("onnxruntime-fp32", "openvino-fp32")
TURN_SECONDS = 0.06
LEAST_ROUNDS = 5


class Engine:
    """A worker process that runs only while it is measured and is stopped otherwise."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def wait(self) -> None:
        """Wait until it is ready. Raises RuntimeError with its last line of stderr if it fails."""
        if self._answer() != "ready":
            raise RuntimeError("it did not get ready")
        self._process.send_signal(signal.SIGSTOP)

    def milliseconds(self) -> float:
        """The median milliseconds of the runs of one turn."""
        self._process.send_signal(signal.SIGCONT)
        assert self._process.stdin is not None
        self._process.stdin.write(f"{TURN_SECONDS}\n")
        self._process.stdin.flush()
        answer = float(self._answer())
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            words = self._process.stderr.read().strip().splitlines() or ["it ended without a word"]
            raise RuntimeError(words[-1])
        return line.strip()


@contextmanager
def opened(name: str, model: Path, feeds: Path, threads: int) -> Iterator[Engine]:
    """An engine that has run its model once."""
    command = [sys.executable, "-m", "benchmarks.worker", name, str(model), str(feeds), str(threads)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            engine = Engine(process)
            engine.wait()
            yield engine
        finally:
            process.kill()


def measure(network: Prepared, threads: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of each engine and their ratio to Octavo's; for an engine that fails, its error message."""
    refused = {} if network.refused is None else {"octavo": network.refused}
    models: dict[str, str] = {}
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        for name in (OWN, *INT8, *FP32):
            if name in refused:
                continue
            try:
                model = model_of(network, name, threads)
                engines[name] = stack.enter_context(opened(name, model, network.feeds, threads))
                models[name] = model.stem
            except RuntimeError as error:
                refused[name] = str(error)
        times = rounds(engines, seconds)
    figures = {name: against(times, name) for name in times}
    return {
        "network": network.name,
        "threads": threads,
        "rounds": max(map(len, times.values()), default=0),
        "engines": figures,
        "models": models,
        "refused": refused,
        **best(figures),
    }


def model_of(network: Prepared, name: str, threads: int) -> Path:
    """The model that an engine runs. Raises RuntimeError if the engine fails while its models are compared."""
    if name in FP32:
        return network.float_model
    return network.bundle if name == OWN else network.quantized(faster_target(network, name, threads))


def faster_target(network: Prepared, name: str, threads: int) -> str:
    """The target whose model a peer runs faster."""
    with ExitStack() as stack:
        engines = {
            target: stack.enter_context(opened(name, network.quantized(target), network.feeds, threads))
            for target in (OWN, PEERS)
        }
        times = rounds(engines, 0.0)
    return min(times, key=lambda target: float(np.median(times[target])))


def rounds(engines: Mapping[str, Engine], seconds: float) -> dict[str, list[float]]:
    """Milliseconds per engine and round."""
    times: dict[str, list[float]] = {name: [] for name in engines}
    until = time.perf_counter() + seconds
    done = 0
    while done < LEAST_ROUNDS or time.perf_counter() < until:
        for name, engine in engines.items():
            times[name].append(engine.milliseconds())
        done += 1
    return times


def against(times: Mapping[str, list[float]], name: str) -> dict[str, Any]:
    """Median milliseconds and, if Octavo runs, the median and quartiles of the ratio to it."""
    figures: dict[str, Any] = {"milliseconds": float(np.median(times[name]))}
    if "octavo" in times:
        low, ratio, high = np.quantile(np.divide(times[name], times["octavo"]), [0.25, 0.5, 0.75])
        figures |= {"ratio": float(ratio), "quartiles": [float(low), float(high)]}
    return figures


def best(engines: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The fastest engine of a kind, and the ratio to it."""
    figures: dict[str, Any] = {}
    for kind, peers in (("int8", INT8), ("fp32", FP32)):
        ran = [name for name in peers if name in engines]
        if ran:
            name = min(ran, key=lambda engine: float(engines[engine]["milliseconds"]))
            figures |= {f"best_{kind}": name, f"best_{kind}_ratio": engines[name].get("ratio")}
    return figures


def row(figures: dict[str, Any]) -> list[str]:
    """One row of the table."""
    engines = figures["engines"]
    octavo_figures = engines.get("octavo")
    milliseconds = "refused" if octavo_figures is None else f"{octavo_figures['milliseconds']:.3f}"
    ratio = figures.get("best_int8_ratio")
    cells = [cell(engines.get(name), octavo_figures is not None) for name in (*INT8, *FP32)]
    return [
        figures["network"],
        str(figures["threads"]),
        milliseconds,
        "" if ratio is None else f"{ratio:.2f}",
        *cells,
    ]


def cell(engine: dict[str, Any] | None, compared: bool) -> str:
    """An engine's ratio and its quartiles; its milliseconds if there is nothing to compare with."""
    if engine is None:
        return "fails"
    if not compared:
        return f"{engine['milliseconds']:.3f} ms"
    low, high = engine["quartiles"]
    return f"{engine['ratio']:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="of each engine; default 1 2")
    options.add_argument("--seconds", type=float, default=12.0, help="how long to time each network; default 12")
    arguments = options.parse_args()
    quiet()
    results = []
    for network in prepared(arguments):
        results += [measure(network, threads, arguments.seconds) for threads in arguments.threads]
    if results:
        headers = ["network", "threads", "Octavo ms", "best INT8 ÷", *(f"{name} ÷" for name in (*INT8, *FP32))]
        print(markdown(headers, [row(figures) for figures in results]))
        for message in error_messages(results):
            print(message)
        print(f"\nBatch 1; {machine_line()}")
    write_json(arguments.json, results)


def error_messages(results: list[dict[str, Any]]) -> list[str]:
    """The distinct error messages of the engines that failed."""
    messages = [f"\n{r['network']}, {name}: {why}" for r in results for name, why in r["refused"].items()]
    return list(dict.fromkeys(messages))


if __name__ == "__main__":
    main()
