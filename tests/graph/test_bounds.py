"""Bounds that the graph proves."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random

from octavo.graph.bounds import proven_bounds

WEIGHTS = {
    "zero": np.zeros((4, 4), np.float32),
    "w": random(4, 4),
    "b": np.asarray([-1, 0.5, 2, -3], np.float32),
    "low": np.asarray(-2, np.float32),
    "high": np.asarray(3, np.float32),
}


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node("Sigmoid", ["x"], "y")], (0.0, 1.0)),
        ([node("Tanh", ["x"], "y")], (-1.0, 1.0)),
        ([node("Tanh", ["x"], "t"), node("Relu", ["t"], "r"), node("Transpose", ["r"], "y")], (0.0, 1.0)),
        ([node("Clip", ["x", "low", "high"], "y")], (-2.0, 3.0)),
        ([node("Clip", ["x", "low"], "y")], None),
        ([node("Gemm", ["x", "zero", "b"], "y")], (-3.0, 2.0)),
        ([node("MatMul", ["x", "zero"], "m"), node("Relu", ["m"], "y")], (0.0, 0.0)),
        ([node("Gemm", ["x", "w", "b"], "y")], None),
        ([node("Relu", ["x"], "y")], None),
    ],
)
def test_bounds_follow_from_the_graph(nodes: list[onnx.NodeProto], expected: tuple[float, float] | None) -> None:
    used = {name: WEIGHTS[name] for each in nodes for name in each.input if name in WEIGHTS}
    model = ir.from_proto(build(nodes, {"x": ["N", 4]}, {"y": ["N", "M"]}, used))
    assert proven_bounds(model.graph.outputs[0]) == expected
