"""Speed of integer GEMM: Octavo's kernels against INT8 and FP32 GEMM of PyTorch, ONNX Runtime and NumPy.

    python -m benchmarks.gemm [M,N,K ...] [--isa NAME] [--seconds S] [--json PATH]

Single-threaded, interleaved in rounds, every turn with a warm-up run; a ratio is the median over the rounds of
peer seconds / Octavo seconds: above 1, Octavo is faster. The best peer of a kind is the one with the best
median. `of peak` is the speed as a share of that of the instruction set's dot product on registers alone,
in the same rounds. Octavo, fbgemm and ONNX Runtime requantize u8 * s8 accumulators to u8; oneDNN (torch._int_mm)
returns s8 * s8 accumulators as int32. On x86 without VNNI, ONNX Runtime and fbgemm add two products in 16 bits, which
can saturate; Octavo does not. With `--isa avx2` the peers are limited to AVX2 too; ONNX Runtime cannot be limited, and
is then excluded from the best peer.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch

from benchmarks.environment import HELD_TO_AVX2, ONE_THREAD, begin_with
from benchmarks.tables import machine_line, markdown, write_json
from octavo.native import kernels

SHAPES = ((1024, 1024, 1024), (128, 1536, 384), (128, 384, 1536), (3136, 64, 64), (49, 512, 2048), (1, 1024, 1024))
INT8, FP32 = ("onednn", "fbgemm", "onnxruntime"), ("torch-fp32", "onnxruntime-fp32", "numpy-fp32")
NEVER_HELD = ("onnxruntime", "onnxruntime-fp32")
LEAST_SECONDS = 2e-3
PEAK_ROUNDS = 20_000
SCALE = 0.01

Run = Callable[[], object]


class Operands:
    """The matrices of a GEMM: u8 * s8, s8 * s8, and float32."""

    def __init__(self, m: int, n: int, k: int) -> None:
        rng = np.random.default_rng(0)
        self.a = rng.integers(0, 256, (m, k)).astype(np.uint8)
        # 7 bits: with 8, peers that accumulate in 16 bits would saturate and give other results.
        self.b = rng.integers(-64, 64, (k, n)).astype(np.int8)
        # Accumulators spread over about 100 steps of the output grid.
        self.out_scale = SCALE * SCALE * 74 * 37 * float(np.sqrt(k)) / 30
        self.multiplier = np.float32(SCALE * SCALE / self.out_scale)


def peak(isa: str) -> Run:
    """The instruction set's dot product on registers alone; `dots` returns the number of multiply-adds."""
    kernel_set = kernels(isa)
    return lambda: kernel_set.dots(PEAK_ROUNDS)


def octavo(operands: Operands, isa: str) -> Run:
    product = kernels(isa).product(operands.b, False, 128)
    n = operands.b.shape[1]
    product.to_bytes(np.full(n, operands.multiplier, np.float32), 128, 0, 255)
    c = np.zeros((len(operands.a), n), np.uint8)
    return lambda: product.run(operands.a, c)


def onednn(operands: Operands) -> Run:
    a, b = torch.from_numpy(operands.a.view(np.int8)), torch.from_numpy(operands.b)
    return lambda: torch._int_mm(a, b)


def fbgemm(operands: Operands) -> Run:
    torch.backends.quantized.engine = "fbgemm"
    a = torch._make_per_tensor_quantized_tensor(torch.from_numpy(operands.a), SCALE, 128)
    weight = torch._make_per_tensor_quantized_tensor(torch.from_numpy(operands.b.T.copy()), SCALE, 0)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    return lambda: torch.ops.quantized.linear(a, packed, operands.out_scale, 128)


def onnxruntime_int8(operands: Operands) -> Run:
    constants = {
        "sa": np.float32(SCALE), "za": np.uint8(128), "b": operands.b, "sb": np.float32(SCALE), "zb": np.int8(0),
        "sc": np.float32(operands.out_scale), "zc": np.uint8(128),
    }  # fmt: skip
    return session("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sc", "zc"], operands.a, constants)


def onnxruntime_fp32(operands: Operands) -> Run:
    return session("MatMul", ["a", "b"], operands.a.astype(np.float32), {"b": operands.b.astype(np.float32)})


def session(operator: str, inputs: list[str], a: np.ndarray, constants: dict[str, Any]) -> Run:
    """An ONNX Runtime session of one node; its output has the type of `a`."""
    kind = onnx.helper.np_dtype_to_tensor_dtype(a.dtype)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, inputs, ["c"])],
        "product",
        [onnx.helper.make_tensor_value_info("a", kind, a.shape)],
        [onnx.helper.make_tensor_value_info("c", kind, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    ready = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: ready.run(None, {"a": a})


def torch_fp32(operands: Operands) -> Run:
    a, b = (torch.from_numpy(matrix.astype(np.float32)) for matrix in (operands.a, operands.b))
    c = torch.empty(len(a), b.shape[1])
    return lambda: torch.mm(a, b, out=c)


def numpy_fp32(operands: Operands) -> Run:
    a, b = operands.a.astype(np.float32), operands.b.astype(np.float32)
    c = np.empty((len(a), b.shape[1]), np.float32)
    return lambda: np.matmul(a, b, out=c)


PEERS: dict[str, Callable[[Operands], Run]] = {
    "onednn": onednn,
    "fbgemm": fbgemm,
    "onnxruntime": onnxruntime_int8,
    "torch-fp32": torch_fp32,
    "onnxruntime-fp32": onnxruntime_fp32,
    "numpy-fp32": numpy_fp32,
}


def measure(shape: tuple[int, int, int], isa: str, seconds: float) -> dict[str, Any]:
    """Milliseconds per implementation and round, their medians, and the ratios to Octavo."""
    operands = Operands(*shape)
    runs = {
        "peak": peak(isa),
        "octavo": octavo(operands, isa),
        **{name: make(operands) for name, make in PEERS.items()},
    }
    repeats = {name: warmed(run) for name, run in runs.items()}
    rounds: dict[str, list[float]] = {name: [] for name in runs}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(rounds["octavo"]) < 5:
        for name, run in runs.items():
            rounds[name].append(timed(run, repeats[name]))
    work, top = float(np.prod(shape)), kernels(isa).dots(PEAK_ROUNDS)
    ratios = {name: float(np.median(np.divide(rounds[name], rounds["octavo"]))) for name in PEERS}
    octavo_seconds = float(np.median(rounds["octavo"]))
    return {
        "shape": shape,
        "isa": isa,
        "rounds": len(rounds["octavo"]),
        "milliseconds": octavo_seconds * 1e3,
        "gops": 2 * work / octavo_seconds / 1e9,
        "peak_gops": 2 * top / float(np.median(rounds["peak"])) / 1e9,
        "of_peak": work / top * float(np.median(np.divide(rounds["peak"], rounds["octavo"]))),
        "ratios": ratios,
        "best_int8": best(ratios, INT8, isa),
        "best_fp32": best(ratios, FP32, isa),
    }


def best(ratios: dict[str, float], kind: tuple[str, ...], isa: str) -> float:
    """The best ratio among the peers of a kind that are limited to Octavo's instruction set."""
    return min(ratios[name] for name in kind if isa != "avx2" or name not in NEVER_HELD)


def warmed(run: Run) -> int:
    """Warm up; the number of runs per reading of the clock."""
    run()
    return max(1, int(LEAST_SECONDS / max(timed(run, 1), 1e-9)))


def timed(run: Run, repeats: int) -> float:
    """The mean seconds of a run, after an untimed run that brings the matrices back into the caches."""
    run()
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def row(figures: dict[str, Any]) -> list[str]:
    """One row of the table."""
    ratios = [figures["best_int8"], figures["best_fp32"], *(figures["ratios"][name] for name in PEERS)]
    name, share = "×".join(map(str, figures["shape"])), f"{figures['of_peak']:.0%}"
    octavo_cells = [f"{figures['milliseconds']:.3f}", f"{figures['gops']:.0f}", share]
    return [name, *octavo_cells, *(f"{ratio:.2f}" for ratio in ratios)]


def shape_of(text: str) -> tuple[int, int, int]:
    """The sizes (m, n, k) in a text "M,N,K"."""
    m, n, k = map(int, text.split(","))
    return m, n, k


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("shapes", nargs="*", type=shape_of, default=list(SHAPES), metavar="M,N,K")
    options.add_argument(
        "--isa", default=kernels().name, help="Octavo's instruction set; by default the one it chooses"
    )
    options.add_argument("--seconds", type=float, default=4.0, help="how long to time each shape; default 4")
    options.add_argument("--json", type=Path, help="write all figures to this file")
    arguments = options.parse_args()
    begin_with(ONE_THREAD | (HELD_TO_AVX2 if arguments.isa == "avx2" else {}), "benchmarks.gemm")
    warnings.filterwarnings("ignore", "torch.quantize_per_tensor")
    torch.set_num_threads(1)
    results = [measure(shape, arguments.isa, arguments.seconds) for shape in arguments.shapes]
    headers = ["M×N×K", "Octavo ms", "GOPS", "of peak", "best INT8 ÷", "best FP32 ÷", *(f"{name} ÷" for name in PEERS)]
    print(markdown(headers, [row(figures) for figures in results]))
    print(f"\n{arguments.isa}; one thread; PyTorch {torch.__version__}; {machine_line()}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
