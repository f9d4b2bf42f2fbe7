"""Models by what their outputs are: several, of several scales, or with samples on any axis or none."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper
from tests.helpers.models.building import build, node, random


def two_outputs() -> onnx.ModelProto:
    """Two outputs of one layer, the second behind a loud constant of which its weights read nothing."""
    nodes = [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "b"),
        node("MatMul", ["b", "v"], "first"),
        node("Mul", ["b", "loud"], "c"),
        node("MatMul", ["c", "u"], "second"),
    ]
    quiet = random(64, 8, seed=2)
    quiet[:32] = 0
    loud = np.repeat(np.float32([300, 1]), 32)
    weights = {"w": random(64, 64), "v": random(64, 8, seed=1), "u": quiet, "loud": loud}
    return build(nodes, {"x": ["n", 64]}, {"first": ["n", 8], "second": ["n", 8]}, weights)


def boxes_and_scores() -> onnx.ModelProto:
    """Boxes in pixels and small scores in one Concat: [n, 4 + 3, 64]."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "boxes"], "p"),
        node("Exp", ["p"], "e"),
        node("Mul", ["e", "stride"], "q"),
        node("Conv", ["r", "classes", "rare"], "s"),
        node("Sigmoid", ["s"], "t"),
        node("Concat", ["q", "t"], "u", axis=1),
        node("Reshape", ["u", "shape"], "y"),
    ]
    weights = {
        "w": random(8, 3, 3, 3), "b": random(8), "boxes": random(4, 8, 1, 1), "classes": random(3, 8, 1, 1, seed=1),
        "rare": np.full(3, -5, np.float32), "stride": np.float32([32]), "shape": np.array([0, 7, 64]),
    }  # fmt: skip
    return build(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 7, 64]}, weights)


def time_major() -> onnx.ModelProto:
    """Output [time, batch, classes]."""
    nodes = [node("MatMul", ["x", "w"], "a"), node("Transpose", ["a"], "y", perm=[1, 0, 2])]
    return build(nodes, {"x": ["n", 20, 16]}, {"y": [20, "n", 8]}, {"w": random(16, 8)})


def without_batch() -> onnx.ModelProto:
    """Input [1, 20, 16], output [20, 8]."""
    nodes = [node("MatMul", ["x", "w"], "a"), node("Reshape", ["a", "shape"], "y")]
    weights = {"w": random(16, 8), "shape": np.array([-1, 8])}
    return build(nodes, {"x": [1, 20, 16]}, {"y": [20, 8]}, weights)


def selected_rows() -> onnx.ModelProto:
    """A head on as many positions as have a high score, also none: [m, 6]."""
    nodes = [
        node("Conv", ["x", "w", "b"], "a", pads=[1, 1, 1, 1]),
        node("Relu", ["a"], "f"),
        node("Conv", ["f", "v", "low"], "s"),
        node("Reshape", ["s", "line"], "t"),
        node("Greater", ["t", "zero"], "g"),
        node("Reshape", ["f", "rows"], "h"),
        node("Transpose", ["h"], "i", perm=[1, 0]),
        node("Compress", ["i", "g"], "j", axis=0),
        node("Gemm", ["j", "u"], "y"),
    ]
    weights = {
        "w": random(16, 3, 3, 3), "b": random(16), "v": random(1, 16, 1, 1), "low": np.float32([-0.6]),
        "line": np.array([-1]), "rows": np.array([16, 64]), "zero": np.float32(0), "u": random(16, 6),
    }  # fmt: skip
    return build(nodes, {"x": [1, 3, 8, 8]}, {"y": ["m", 6]}, weights)


def embedder() -> onnx.ModelProto:
    """Vectors of length 1."""
    nodes = [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "b"),
        node("MatMul", ["b", "v"], "c"),
        node("LpNormalization", ["c"], "y", axis=1),
    ]
    return build(nodes, {"x": ["n", 32]}, {"y": ["n", 48]}, {"w": random(32, 64), "v": random(64, 48)})


def one_probability() -> onnx.ModelProto:
    """The probability of one of two classes."""
    nodes = [
        node("MatMul", ["x", "w"], "a"),
        node("Relu", ["a"], "b"),
        node("Gemm", ["b", "v"], "c"),
        node("Sigmoid", ["c"], "y"),
    ]
    return build(nodes, {"x": ["n", 32]}, {"y": ["n", 1]}, {"w": random(32, 64), "v": random(64, 1, spread=8.0)})


def frozen_batch() -> onnx.ModelProto:
    """A dynamic batch with the example's batch of 1 frozen into a Reshape."""
    nodes = [helper.make_node("Reshape", ["x", "shape"], ["a"], name="rs"), node("MatMul", ["a", "w"], "y")]
    weights = {"w": random(64, 8), "shape": np.array([1, 8, 64])}
    return build(nodes, {"x": ["n", 512]}, {"y": [None, 8, 8]}, weights)
