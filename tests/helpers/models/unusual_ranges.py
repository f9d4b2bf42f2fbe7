"""Models whose ranges mislead: a branch that never wakes, a packed state, weights near zero."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto
from tests.helpers.models.building import Arrays, build, node, random


def quiet_branch(width: int = 32) -> onnx.ModelProto:
    """A branch that is zero unless the mean of a sample exceeds 0.05, beside one that always runs."""
    nodes = [
        node("ReduceMean", ["x"], "mean", axes=[1], keepdims=1),
        node("Greater", ["mean", "threshold"], "awake"),
        node("Cast", ["awake"], "gate", to=TensorProto.FLOAT),
        node("Mul", ["x", "gate"], "routed"),
        node("MatMul", ["routed", "v1"], "e1"),
        node("Relu", ["e1"], "e2"),
        node("MatMul", ["e2", "v2"], "e3"),
        node("MatMul", ["x", "w1"], "a"),
        node("Relu", ["a"], "b"),
        node("MatMul", ["b", "w2"], "c"),
        node("Add", ["c", "e3"], "y"),
    ]
    weights = {name: random(width, width, seed=i) for i, name in enumerate(("v1", "v2", "w1", "w2"))}
    return build(
        nodes, {"x": ["N", width]}, {"y": ["N", width]}, {**weights, "threshold": np.asarray(0.05, np.float32)}
    )


def branch_samples(awake: bool, width: int = 32, count: int = 64) -> Arrays:
    """Samples of the quiet branch, all of which wake it or none; those that do stay within the range of the others."""
    x = np.random.default_rng(int(awake)).normal(size=(count, width)).astype(np.float32)
    x = x.clip(-2, 2) * np.float32(0.05 if awake else 0.1)
    return {"x": x - x.mean(1, keepdims=True) + np.float32(0.06 if awake else -0.02)}


def packed_state(width: int = 32) -> onnx.ModelProto:
    """A state [h, c] on the last axis, |h| below 1 beside |c| of hundreds; h is multiplied by weights."""
    nodes = [
        node("Slice", ["s", "zero", "one", "last"], "h_part"),
        node("Squeeze", ["h_part", "last"], "h"),
        node("Slice", ["s", "one", "two", "last"], "c_part"),
        node("Squeeze", ["c_part", "last"], "c"),
        node("MatMul", ["h", "w"], "t"),
        node("Add", ["c", "t"], "sum"),
    ]
    indices = {name: np.asarray([i]) for i, name in enumerate(("zero", "one", "two"))}
    weights = {"w": random(width, width), "last": np.asarray([2]), **indices}
    return build(nodes, {"s": ["N", width, 2]}, {"t": ["N", width], "sum": ["N", width]}, weights)


def state_samples(loud: float = 300.0, width: int = 32, count: int = 64) -> Arrays:
    """Samples of the packed state: c is `loud` times a normal distribution."""
    rng = np.random.default_rng(0)
    h, c = np.tanh(rng.normal(size=(count, width))), rng.normal(size=(count, width)) * loud
    return {"s": np.stack([h, c], -1).astype(np.float32)}


def tiny_weights() -> onnx.ModelProto:
    """A Conv whose output channels have weights of 1, 0, 1e-10, 1e-30 and biases near 1."""
    w = random(4, 4, 3, 3)
    w *= np.asarray([1, 0, 1e-10, 1e-30], np.float32).reshape(4, 1, 1, 1)
    weights = {"w": w, "b": np.asarray([0.1, 0.5, 1.0, 0.8], np.float32), "v": random(4, 4, 1, 1, seed=1)}
    nodes = [node("Conv", ["x", "w", "b"], "c", pads=[1] * 4), node("Relu", ["c"], "r"), node("Conv", ["r", "v"], "y")]
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 4, 8, 8]}, weights)


def loud_second_branch() -> onnx.ModelProto:
    """A second output behind a constant of 300 and 1, whose small MatMul ignores the loud half."""
    loud = np.concatenate([np.full(16, 300), np.ones(16)]).astype(np.float32)
    w2 = random(32, 8, seed=2)
    w2[:16] = 0
    nodes = [
        node("MatMul", ["x", "w0"], "a"),
        node("Relu", ["a"], "b"),
        node("MatMul", ["b", "w1"], "first"),
        node("Mul", ["b", "loud"], "c"),
        node("MatMul", ["c", "w2"], "second"),
    ]
    weights = {"w0": random(32, 32), "w1": random(32, 8, seed=1), "w2": w2, "loud": loud}
    return build(nodes, {"x": ["N", 32]}, {"first": ["N", 8], "second": ["N", 8]}, weights)
