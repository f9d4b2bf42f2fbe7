"""Bandwidth of quantize and dequantize of 64 MB of floats, compared with a copy of that size and with peers.

    python -m benchmarks.bandwidth [--megabytes N] [--isa NAME] [--seconds S] [--json PATH]

Bandwidth counts bytes read and written: a copy (memmove of the C library) reads and writes four bytes per float,
quantize reads four and writes one, dequantize reads one and writes four. Single-threaded, interleaved in rounds.
`of copy` is the median over the rounds of bandwidth / the copy's bandwidth; a ratio is the median of peer seconds /
Octavo seconds: above 1, Octavo is faster. Octavo, the copy and ONNX Runtime write into preallocated memory whose
pages are mapped; PyTorch allocates its result in every run.
"""

from __future__ import annotations

import argparse
import ctypes
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from benchmarks.environment import ONE_THREAD, begin_with
from benchmarks.tables import machine_line, markdown, write_json
from octavo.native import kernels

SCALE, ZERO_POINT = 0.05, 128
COPIED, MAPPED = 8, 5  # bytes read and written per float
PEERS = ("onnxruntime", "torch")

Run = Callable[[], object]


class Buffers:
    """Floats, their quantized values, and output buffers for both."""

    def __init__(self, megabytes: int) -> None:
        self.x = np.random.default_rng(0).normal(size=megabytes * 10**6 // 4).astype(np.float32)
        self.to_x = np.zeros_like(self.x)
        self.q, self.to_q = np.zeros(self.x.size, np.uint8), np.zeros(self.x.size, np.uint8)
        kernels().quantize(self.x, SCALE, ZERO_POINT, 0, 255, self.q)


def copy(buffers: Buffers) -> Run:
    source, target = buffers.x.ctypes.data, buffers.to_x.ctypes.data
    return lambda: ctypes.memmove(target, source, buffers.x.nbytes)


def octavo_quantize(buffers: Buffers, isa: str) -> Run:
    kernel_set = kernels(isa)
    return lambda: kernel_set.quantize(buffers.x, SCALE, ZERO_POINT, 0, 255, buffers.to_q)


def octavo_dequantize(buffers: Buffers, isa: str) -> Run:
    kernel_set = kernels(isa)
    return lambda: kernel_set.dequantize_u8(buffers.q, SCALE, ZERO_POINT, buffers.to_x)


def onnxruntime_quantize(buffers: Buffers) -> Run:
    return session("QuantizeLinear", buffers.x, buffers.to_q)


def onnxruntime_dequantize(buffers: Buffers) -> Run:
    return session("DequantizeLinear", buffers.q, buffers.to_x)


def session(operator: str, source: np.ndarray, target: np.ndarray) -> Run:
    """An ONNX Runtime session of one node, bound to the input and output arrays."""
    constants = {"scale": np.float32(SCALE), "zero": np.uint8(ZERO_POINT)}
    values = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in (("x", source), ("y", target))
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, ["x", *constants], ["y"])],
        "mapping",
        values[:1],
        values[1:],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    ready = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = ready.io_binding()
    binding.bind_cpu_input("x", source)
    binding.bind_ortvalue_output("y", onnxruntime.OrtValue.ortvalue_from_numpy(target))
    return lambda: ready.run_with_iobinding(binding)


def torch_quantize(buffers: Buffers) -> Run:
    x = torch.from_numpy(buffers.x)
    return lambda: torch.quantize_per_tensor(x, SCALE, ZERO_POINT, torch.quint8)


def torch_dequantize(buffers: Buffers) -> Run:
    q = torch._make_per_tensor_quantized_tensor(torch.from_numpy(buffers.q), SCALE, ZERO_POINT)
    return lambda: q.dequantize()


def measure(megabytes: int, isa: str, seconds: float) -> list[dict[str, Any]]:
    """The figures of quantize and dequantize."""
    buffers = Buffers(megabytes)
    runs = {
        "copy": copy(buffers),
        "quantize": octavo_quantize(buffers, isa),
        "quantize onnxruntime": onnxruntime_quantize(buffers),
        "quantize torch": torch_quantize(buffers),
        "dequantize": octavo_dequantize(buffers, isa),
        "dequantize onnxruntime": onnxruntime_dequantize(buffers),
        "dequantize torch": torch_dequantize(buffers),
    }
    seconds_by_run: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(seconds_by_run["copy"]) < 5:
        for name, run in runs.items():
            seconds_by_run[name].append(timed(run))
    return [figures(name, seconds_by_run, buffers.x.size, isa) for name in ("quantize", "dequantize")]


def timed(run: Run) -> float:
    """The seconds of one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def figures(name: str, seconds_by_run: dict[str, list[float]], count: int, isa: str) -> dict[str, Any]:
    """The figures of one operator."""
    octavo_seconds, copy_seconds = seconds_by_run[name], seconds_by_run["copy"]
    return {
        "kernel": name,
        "isa": isa,
        "rounds": len(octavo_seconds),
        "milliseconds": float(np.median(octavo_seconds)) * 1e3,
        "gigabytes_a_second": MAPPED * count / float(np.median(octavo_seconds)) / 1e9,
        "copy_gigabytes_a_second": COPIED * count / float(np.median(copy_seconds)) / 1e9,
        "of_copy": MAPPED / COPIED * float(np.median(np.divide(copy_seconds, octavo_seconds))),
        "ratios": {
            peer: float(np.median(np.divide(seconds_by_run[f"{name} {peer}"], octavo_seconds))) for peer in PEERS
        },
    }


def row(result: dict[str, Any]) -> list[str]:
    """One row of the table."""
    speeds = [f"{result[name]:.1f}" for name in ("gigabytes_a_second", "copy_gigabytes_a_second")]
    ratios = [f"{result['ratios'][peer]:.2f}" for peer in PEERS]
    return [result["kernel"], f"{result['milliseconds']:.2f}", *speeds, f"{result['of_copy']:.2f}", *ratios]


def main() -> None:
    begin_with(ONE_THREAD, "benchmarks.bandwidth")
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--megabytes", type=int, default=64, help="of floats; default 64")
    options.add_argument(
        "--isa", default=kernels().name, help="Octavo's instruction set; by default the one it chooses"
    )
    options.add_argument("--seconds", type=float, default=10.0, help="how long to time; default 10")
    options.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = options.parse_args()
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor")
    torch.set_num_threads(1)
    results = measure(arguments.megabytes, arguments.isa, arguments.seconds)
    headers = ["kernel", "Octavo ms", "GB/s", "copy GB/s", "of copy", *(f"{name} ÷" for name in PEERS)]
    print(markdown(headers, [row(result) for result in results]))
    versions = f"PyTorch {torch.__version__}; {machine_line()}"
    print(f"\n{arguments.megabytes} MB of floats, {arguments.isa}, one thread; {versions}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
