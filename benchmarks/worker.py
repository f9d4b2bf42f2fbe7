"""One engine in a separate process: python -m benchmarks.worker ENGINE MODEL FEEDS.npz THREADS

For every number of seconds read from stdin it runs the model for about that long and prints the median milliseconds
of a run. The first fifth of the time is a warm-up: it refills the caches that other processes have evicted.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Arrays

Run = Callable[[], object]
_WARM_UP = 0.2
_LEAST_RUNS = 3


def octavo(model: Path, feeds: Arrays, threads: int) -> Run:
    from octavo import load

    session = load(model, threads=threads)
    return lambda: session.run(feeds)


def onnxruntime(model: Path, feeds: Arrays, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, feeds)


def openvino(model: Path, feeds: Arrays, threads: int, **config: Any) -> Run:
    import openvino

    config |= {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": "1", "INFERENCE_NUM_THREADS": threads}
    core = openvino.Core()
    network = core.read_model(str(model))
    network.reshape({name: array.shape for name, array in feeds.items()})
    request = core.compile_model(network, "CPU", config).create_infer_request()
    return lambda: request.infer(feeds, share_inputs=True, share_outputs=True)


def openvino_fp32(model: Path, feeds: Arrays, threads: int) -> Run:
    """Force float32: OpenVINO runs float models in bfloat16 by default if the processor supports it."""
    return openvino(model, feeds, threads, INFERENCE_PRECISION_HINT="f32")


ENGINES: dict[str, Callable[[Path, Arrays, int], Run]] = {
    "octavo": octavo,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "onnxruntime-fp32": onnxruntime,
    "openvino-fp32": openvino_fp32,
}


def median_run(run: Run, seconds: float) -> float:
    """Median milliseconds of a run, measured over `seconds`."""
    begin = time.perf_counter()
    while time.perf_counter() - begin < _WARM_UP * seconds:
        run()
    durations: list[float] = []
    while len(durations) < _LEAST_RUNS or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        run()
        durations.append(time.perf_counter() - start)
    return float(np.median(durations)) * 1e3


def main() -> None:
    engine, model, feeds, threads = sys.argv[1:]
    with np.load(feeds) as file:
        run = ENGINES[engine](Path(model), dict(file), int(threads))
    run()
    print("ready", flush=True)
    for line in sys.stdin:
        print(median_run(run, float(line)), flush=True)


if __name__ == "__main__":
    main()
