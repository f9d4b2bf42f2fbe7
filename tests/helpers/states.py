"""Plain quantization states of small models, and their output error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import ONE, Arrays, build, feeds, node, random

from octavo.affine import Grid
from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.graph import input_specs, prepare
from octavo.graph.plan import Plan, make_plan
from octavo.quantizer import Settings, State, begin
from octavo.targets import Target, target

FOUR_BITS = Grid("int8", -7, 7)


def network(bias: float = 1.0) -> onnx.ModelProto:
    """Conv, Relu, depthwise Conv, Relu, Conv: 4 channels in, 6 out."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "k"], "d", group=12, pads=[1, 1, 1, 1]),
        node("Relu", ["d"], "s"),
        node("Conv", ["s", "v", "e"], "y"),
    ]
    weights = {"w": random(12, 4, 3, 3), "b": random(12) * bias, "k": random(12, 1, 3, 3, seed=1)}
    weights |= {"v": random(6, 12, 1, 1, seed=2), "e": random(6)}
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, 8, 8]}, weights)


def factors(count: int, seed: int = 0) -> np.ndarray:
    """Lognormal factors of channels, sigma 2."""
    return np.exp(np.random.default_rng(seed).normal(0, 2, count)).astype(np.float32)


def separable(act: str = "Relu") -> onnx.ModelProto:
    """Conv, depthwise Conv, pointwise Conv, pool, Gemm, whose inner channels are badly scaled."""
    one, two, three = factors(16), factors(16, 1), factors(16, 2)
    extra = {"Relu": [], "PRelu": ["slope"], "LeakyRelu": [], "Clip": ["low", "high"]}[act]
    nodes = [
        node("Conv", ["x", "w1", "b1"], "c1", pads=[1, 1, 1, 1]),
        node(act, ["c1", *extra], "r1"),
        node("Conv", ["r1", "w2", "b2"], "c2", group=16, pads=[1, 1, 1, 1]),
        node(act, ["c2", *extra], "r2"),
        node("Conv", ["r2", "w3", "b3"], "c3"),
        node(act, ["c3", *extra], "r3"),
        node("GlobalAveragePool", ["r3"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "w4"], "y"),
    ]
    weights = {
        "w1": random(16, 8, 3, 3) * one[:, None, None, None],
        "b1": random(16) * one,
        "w2": random(16, 1, 3, 3) * (two / one)[:, None, None, None],
        "b2": random(16) * two,
        "w3": random(16, 16, 1, 1) * three[:, None, None, None] / two[:, None, None],
        "b3": random(16) * three,
        "w4": random(16, 10) / three[:, None],
        **({"slope": np.linspace(0, 0.5, 16, dtype=np.float32).reshape(16, 1, 1)} if act == "PRelu" else {}),
        **({"low": ONE * 0, "high": ONE * 1000} if act == "Clip" else {}),
    }
    return build(nodes, {"x": ["N", 8, 8, 8]}, {"y": ["N", 10]}, weights)


def inputs(count: int = 48, seed: int = 0) -> Arrays:
    """Samples with correlated neighboring pixels, as in images."""
    rough = np.random.default_rng(seed).normal(size=(count, 4, 10, 10))
    smooth = sum(rough[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / 3
    return {"x": smooth.astype(np.float32)}


def state(model: onnx.ModelProto, samples: Arrays, to: Target | None = None, **options: Any) -> State:
    """The plain state of a model for a target (`octavo` by default), calibrated on the samples."""
    selected = to or target("octavo")
    prepared = prepare(ir.from_proto(model), share_constants=selected.weights_only)

    def plan(prepared: ir.Model, left_float: Mapping[str, str]) -> Plan:
        return make_plan(prepared, selected, (), left_float)

    return begin(Settings(selected, open_samples(samples, input_specs(prepared)), plan, threads=1, **options), prepared)


def random_state(model: onnx.ModelProto, to: str = "arm-neon", per_channel: bool = True) -> tuple[State, Arrays]:
    """The plain state of a model on 64 random samples, and the samples."""
    samples = feeds(model, batch=64)
    return state(model, samples, replace(target(to), per_channel=per_channel)), samples


def outputs(model: ir.Model, samples: Arrays) -> np.ndarray:
    """The first output."""
    return next(iter(Session(model, threads=1).run(samples).values()))


def difference(one: ir.Model, two: ir.Model, samples: Arrays) -> float:
    """The largest difference of two models' outputs, relative to the largest output."""
    first, second = outputs(one, samples).astype(np.float64), outputs(two, samples).astype(np.float64)
    return float(np.abs(first - second).max() / np.abs(first).max())


def sqnr(quantized: State, reference: State, samples: Arrays) -> float:
    """SQNR in dB of a quantized state against the float model of `reference`."""
    return output_sqnr(quantized.quantized, reference, samples)


def output_sqnr(model: ir.Model, reference: State, samples: Arrays) -> float:
    """SQNR in dB of a model's output against the float model of `reference`."""
    exact = outputs(reference.model, samples).astype(np.float64)
    noise = outputs(model, samples) - exact
    return float(10 * np.log10(np.square(exact).sum() / np.square(noise).sum()))
