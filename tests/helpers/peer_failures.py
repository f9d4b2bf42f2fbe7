"""Quantize a small model, run it in ONNX Runtime, and measure the SQNR of its outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import (
    Arrays,
    build,
    feeds,
    node,
    random,
    run,
)

import octavo
from octavo.engines.onnxruntime import Session
from octavo.pipeline.result import QuantizationResult
from octavo.targets import target, target_names
from octavo.targets.detect import this_machine

# Weight-only targets have their own tests: tests/graph/test_weight_only.py.
INTEGER = [name for name in target_names() if not target(name).weights_only]
# In dB. With 8 bits, one layer on Gaussian values has an SQNR of about 40; a wrong layer has less than 10.
FLOOR = 30.0
# 7-bit activations, 7-bit weights and per-tensor weights cost up to 6 dB.
FLOORS = {name: FLOOR - 6.0 * (name in ("fbgemm", "per-tensor", "x86-avx2")) for name in INTEGER}
SAMPLES = 64
CONV = {"w": random(8, 4, 3, 3), "b": random(8), "v": random(6, 8, 1, 1), "d": random(6)}


def quantized(model: onnx.ModelProto | Path, samples: Any, to: str | None = None, **options: Any) -> QuantizationResult:
    """Quantize for `to` (default: the target of this machine), and run ONNX's checker on the result.

    The default estimator of nvidia-tensorrt clips values that these tests compare, so it is replaced.
    """
    if to == "nvidia-tensorrt":
        options.setdefault("estimator", "mse")
    result = octavo.quantize(model, samples, to or this_machine(), verify=False, threads=1, **options)
    onnx.checker.check_model(ir.to_proto(result.model), full_check=True)
    return result


def engine(result: QuantizationResult, inputs: Mapping[str, Any]) -> Arrays:
    """The quantized model's outputs in ONNX Runtime with its default graph optimizations."""
    return Session(result.model, threads=1).run(inputs)


def sqnr(expected: np.ndarray, actual: np.ndarray) -> float:
    """10 log10(sum x^2 / sum (x - y)^2)."""
    x, y = expected.astype(np.float64), actual.astype(np.float64)
    noise = ((x - y) ** 2).sum()
    return float(10 * np.log10((x**2).sum() / noise)) if noise else np.inf


def losses(model: onnx.ModelProto, result: QuantizationResult, inputs: Arrays) -> dict[str, float]:
    """The SQNR of every output in dB; names, order, types and shapes must equal the float model's."""
    expected, actual = run(model, inputs), engine(result, inputs)
    assert list(actual) == list(expected) == [value.name for value in model.graph.output]
    for name, values in expected.items():
        assert (actual[name].dtype, actual[name].shape) == (values.dtype, values.shape)
    return {name: sqnr(values, actual[name]) for name, values in expected.items()}


def worst(model: onnx.ModelProto, result: QuantizationResult, seed: int = 99) -> float:
    """The smallest SQNR of any output in dB, on samples not used for calibration."""
    return min(losses(model, result, feeds(model, seed, SAMPLES)).values())


def conv_net(extra: Sequence[onnx.NodeProto] = (), weights: Arrays | None = None) -> onnx.ModelProto:
    """Conv, Relu, Conv, preceded by the nodes in `extra`."""
    nodes = [
        *extra,
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "v", "d"], "y"),
    ]
    return build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, weights or CONV)
