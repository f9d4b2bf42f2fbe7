"""Prepare a model, check that its outputs are unchanged, and return its operator types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
from tests.helpers.models import Arrays, Shape, build, feeds, random, run

from octavo.graph import prepare

IMAGE: dict[str, Shape] = {"x": [1, 4, 6, 6]}
SAME: dict[str, Shape] = {"y": [1, 6, 6, 6]}
ROWS: dict[str, Shape] = {"x": ["N", 8]}
POINT = {"w": random(6, 4, 1, 1), "b": random(6)}


def prepared(model: onnx.ModelProto, *, tolerance: float = 1e-5) -> onnx.ModelProto:
    """The prepared model, checked to be valid and to compute the same outputs as the original."""
    result = ir.to_proto(prepare(ir.from_proto(model)))
    onnx.checker.check_model(result, full_check=True)
    for seed in range(2):
        inputs = feeds(model, seed)
        expected, actual = run(model, inputs), run(result, inputs)
        assert list(expected) == list(actual)
        for name, values in expected.items():
            assert values.dtype == actual[name].dtype
            assert values.shape == actual[name].shape
            np.testing.assert_allclose(actual[name], values, rtol=tolerance, atol=tolerance)
    return result


def op_types(model: onnx.ModelProto) -> list[str]:
    return [n.op_type for n in model.graph.node]


def prepared_ops(
    nodes: Sequence[onnx.NodeProto],
    weights: Arrays,
    inputs: dict[str, Shape] | None = None,
    outputs: dict[str, Shape] | None = None,
) -> list[str]:
    """The operator types of the prepared model of these nodes."""
    return op_types(prepared(build(nodes, inputs or IMAGE, outputs or SAME, weights)))
