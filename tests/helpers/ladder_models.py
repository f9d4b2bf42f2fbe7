"""States of tiny models, and how well their integers keep to their floats, for the tests of rungs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import Arrays, feeds

from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.graph import input_specs, prepare
from octavo.graph.plan import make_plan
from octavo.quantizer import Settings, State, begin
from octavo.targets import target

SAMPLES = 64


def state_of(proto: onnx.ModelProto, name: str = "arm-neon", per_channel: bool = True) -> tuple[State, Arrays]:
    """The plain quantization of a model on random samples, and the samples."""
    arrays, model = feeds(proto, batch=SAMPLES), ir.from_proto(proto)
    goal = replace(target(name), per_channel=per_channel)
    opened = open_samples(arrays, input_specs(model))
    settings = Settings(goal, opened, planner=lambda m, left: make_plan(m, goal, (), left))
    return begin(settings, prepare(model)), arrays


def output(model: ir.Model, arrays: Arrays) -> np.ndarray:
    """The only output."""
    return next(iter(Session(model).run(arrays).values())).astype(np.float64)


def difference(one: ir.Model, two: ir.Model, arrays: Arrays) -> float:
    """The largest difference of two models' outputs, relative to the largest output."""
    first, second = output(one, arrays), output(two, arrays)
    return float(np.abs(first - second).max() / np.abs(first).max())


def sqnr(state: State, right: ir.Model, arrays: Arrays) -> float:
    """The output SQNR of the integer model in dB."""
    wanted, given = output(right, arrays), output(state.quantized, arrays)
    return float(10 * np.log10(np.square(wanted).sum() / np.square(given - wanted).sum()))
