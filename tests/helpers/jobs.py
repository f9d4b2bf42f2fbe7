"""Small quantization jobs and constructed results, for tests of reports, the pipeline and the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import Arrays, conv_relu

import octavo
from octavo.measure import Diagnosis, MetricResult
from octavo.pipeline.recipe import Recipe
from octavo.pipeline.result import QuantizationResult

TARGET = "x86-vnni"


def samples(count: int = 8, seed: int = 0) -> Arrays:
    """Inputs of `conv_relu`, one sample per row."""
    return {"x": np.random.default_rng(seed).normal(size=(count, 4, 8, 8)).astype(np.float32)}


def quantized(model: Any = None, calibration: Any = None, target: str = TARGET, **options: Any) -> QuantizationResult:
    """`octavo.quantize` of `conv_relu` or another model, by default without layer errors and timing."""
    arguments = {"verify": False, "threads": 1, **options}
    return octavo.quantize(
        conv_relu() if model is None else model, samples() if calibration is None else calibration, target, **arguments
    )


def graph_bytes(result: QuantizationResult) -> bytes:
    """The graph of the quantized model, without the metadata that describe the data."""
    return proto(result).graph.SerializeToString(deterministic=True)


def proto(result: QuantizationResult) -> onnx.ModelProto:
    """The quantized model."""
    return ir.to_proto(result.model)


def stated(**figures: Any) -> QuantizationResult:
    """A result with only these figures, for tests of their output."""
    empty: dict[str, Any] = {
        "model": ir.from_proto(conv_relu()),
        "target": TARGET,
        "metric": None,
        "size_bytes": {"float": 4_000, "quantized": 1_000},
        "latency_ms": None,
        "seconds": {"prepare": 0.25, "calibrate": 1.5},
        "peak_rss_bytes": 123_456_789,
        "calibration_samples": 8,
        "recipe": Recipe(TARGET),
        "versions": {},
        "sha256": {},
    }
    lists: dict[str, Any] = {name: [] for name in ("layers", "left_float", "proofs", "diagnosis", "warnings")}
    return QuantizationResult(**{**empty, **lists, **figures})


def metric(**figures: Any) -> MetricResult:
    """The result of a metric, with defaults."""
    defaults: dict[str, Any] = {
        "name": "top1",
        "unit": "points",
        "float_value": 98.5,
        "quantized_value": 98.25,
        "drop": 0.25,
        "ci95": (-0.125, 0.5),
        "method": "bootstrap",
        "samples": 400,
        "groups": 400,
    }
    return MetricResult(**{**defaults, **figures})


def diagnosis(**figures: Any) -> Diagnosis:
    """The diagnosis of a layer, with defaults."""
    defaults: dict[str, Any] = {"layer": "conv_c", "op": "Conv", "tensor": "c", "sqnr_db": 12.34, "causes": ["a cause"]}
    return Diagnosis(**{**defaults, **figures})
