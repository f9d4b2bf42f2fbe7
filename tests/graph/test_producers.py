"""Which operator writes an output, through operators that only rearrange values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random

from octavo.graph.producers import output_producers

AXES = np.array([1], np.int64)
TINY = np.float32(1e-12)


def producers(nodes: Sequence[onnx.NodeProto]) -> dict[str, str]:
    weights = {"w": random(8, 4), "axes": AXES, "shape": np.array([-1, 4]), "tiny": TINY}
    model = build([node("MatMul", ["x", "w"], "h"), *nodes], {"x": ["n", 8]}, {"y": ["n", 4]}, weights)
    return output_producers(ir.from_proto(model))


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid", "Relu"])
def test_the_writer_is_found_behind_movers(op: str) -> None:
    assert producers([node(op, ["h"], "y")]) == {"y": op}
    moved = [node(op, ["h"], "a"), node("Reshape", ["a", "shape"], "b"), node("Identity", ["b"], "y")]
    assert producers(moved) == {"y": op}


def test_a_vector_over_its_length_is_normalized() -> None:
    assert producers([node("LpNormalization", ["h"], "y")]) == {"y": "LpNormalization"}
    by_norm = [
        node("ReduceL2", ["h"], "l", axes=[1]), node("Clip", ["l", "tiny"], "c"), node("Div", ["h", "c"], "y")
    ]  # fmt: skip
    by_squares = [
        node("Mul", ["h", "h"], "s"), node("ReduceSum", ["s", "axes"], "t"), node("Sqrt", ["t"], "l"),
        node("Add", ["l", "tiny"], "c"), node("Div", ["h", "c"], "y"),
    ]  # fmt: skip
    for nodes in (by_norm, by_squares):
        assert producers(nodes) == {"y": "LpNormalization"}


def test_other_divisions_are_divisions() -> None:
    for divisor in ("tiny", "h"):
        assert producers([node("Div", ["h", divisor], "y")]) == {"y": "Div"}
    other = [node("Relu", ["h"], "r"), node("ReduceL2", ["r"], "l", axes=[1]), node("Div", ["h", "l"], "y")]
    assert producers(other) == {"y": "Div"}


def test_an_input_that_is_handed_through_has_no_writer() -> None:
    model = build([node("Identity", ["x"], "y")], {"x": ["n", 8]}, {"y": ["n", 8]})
    assert output_producers(ir.from_proto(model)) == {}
