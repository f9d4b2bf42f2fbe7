"""Plain states of small models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import Arrays, build, node, random

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


def inputs(count: int = 48, seed: int = 0) -> Arrays:
    """Samples whose neighbouring pixels are alike, as in images."""
    rough = np.random.default_rng(seed).normal(size=(count, 4, 10, 10))
    smooth = sum(rough[..., i : i + 8, j : j + 8] for i in range(3) for j in range(3)) / 3
    return {"x": smooth.astype(np.float32)}


def state(model: onnx.ModelProto, samples: Arrays, to: Target | None = None, **more: Any) -> State:
    """The plain state of a model."""
    chosen = to or target("octavo")
    prepared = prepare(ir.from_proto(model))

    def plan(found: ir.Model, left: Mapping[str, str]) -> Plan:
        return make_plan(found, chosen, (), left)

    return begin(Settings(chosen, open_samples(samples, input_specs(prepared)), plan, threads=1, **more), prepared)


def outputs(model: ir.Model, given: Arrays) -> np.ndarray:
    """The first output."""
    return next(iter(Session(model, threads=1).run(given).values()))


def sqnr(found: State, right: State, given: Arrays) -> float:
    """Decibels of the quantized model's output against the float model that `right` began with."""
    return output_sqnr(found.quantized, right, given)


def output_sqnr(model: ir.Model, right: State, given: Arrays) -> float:
    """The same of a quantized model."""
    x, y = outputs(right.model, given), outputs(model, given)
    return float(10 * np.log10(np.square(x).sum() / np.square(x - y).sum()))
