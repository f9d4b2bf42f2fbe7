"""Rounding learned block by block, and the partition of the graph into blocks."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers import states
from tests.helpers.models import build, node, random

from octavo.affine import Grid
from octavo.graph import prepare
from octavo.quantizer import State
from octavo.recover import rungs_named
from octavo.recover.layers.blocks import blocks
from octavo.targets import target

pytest.importorskip("torch")


def block_types(model: ir.Model) -> list[list[str]]:
    """The operator types of each block, for layers with weights."""
    layers = [n.name or "" for n in model.graph if n.op_type in ("Conv", "Gemm", "MatMul") and len(n.inputs) > 1]
    return [[node.op_type for node in block.nodes] for block in blocks(model, layers)]


def test_a_depthwise_convolution_is_one_block_with_what_follows() -> None:
    assert block_types(prepare(ir.from_proto(states.network()))) == [["Conv", "Relu"], ["Conv", "Relu", "Conv"]]


def test_a_residual_block_is_one_block_and_a_softmax_at_the_end_is_in_none() -> None:
    nodes = [
        node("Conv", ["x", "a"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "b"], "d", pads=[1, 1, 1, 1]),
        node("Relu", ["d"], "e"),
        node("Conv", ["e", "b"], "f", pads=[1, 1, 1, 1]),
        node("Add", ["f", "r"], "s"),
        node("GlobalAveragePool", ["s"], "g"),
        node("Flatten", ["g"], "h"),
        node("Gemm", ["h", "w"], "z"),
        node("Softmax", ["z"], "y"),
    ]
    weights = {"a": random(6, 4, 3, 3), "b": random(6, 6, 3, 3), "w": random(6, 5)}
    model = prepare(ir.from_proto(build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 5]}, weights)))
    residual = ["Conv", "Relu", "Conv", "Add", "GlobalAveragePool", "Flatten"]
    assert block_types(model) == [["Conv", "Relu"], residual, ["Gemm"]]


def test_masks_do_not_join_blocks() -> None:
    nodes = [
        node("Gather", ["table", "ids"], "e"),
        node("Cast", ["mask"], "m", to=1),
        node("MatMul", ["e", "a"], "p"),
        node("Mul", ["p", "m"], "q"),
        node("MatMul", ["q", "b"], "r"),
        node("Mul", ["r", "m"], "y"),
    ]
    weights = {"table": random(10, 6), "a": random(6, 6), "b": random(6, 6, seed=1)}
    types = {"ids": 7, "mask": 7}
    proto = build(nodes, {"ids": ["N", 4], "mask": ["N", 4, 1]}, {"y": ["N", 4, 6]}, weights, input_types=types)
    assert block_types(prepare(ir.from_proto(proto))) == [["Cast", "MatMul", "Mul"], ["MatMul", "Mul"]]


def test_a_shape_is_computed_in_the_block_that_uses_it() -> None:
    """The batch size in it is that of the run."""
    nodes = [
        node("Conv", ["x", "a"], "c"),
        node("Relu", ["c"], "r"),
        node("Shape", ["r"], "sizes"),
        node("Gather", ["sizes", "zero"], "n"),
        node("Concat", ["n", "rest"], "to", axis=0),
        node("Conv", ["r", "b"], "d"),
        node("GlobalAveragePool", ["d"], "g"),
        node("Reshape", ["g", "to"], "f"),
        node("Gemm", ["f", "w"], "y"),
    ]
    weights = {"a": random(6, 4, 3, 3), "b": random(20, 6, 3, 3), "w": random(20, 5)}
    integers = {"zero": np.array([0]), "rest": np.array([-1])}
    model = prepare(ir.from_proto(build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 5]}, {**weights, **integers})))
    middle = ["Shape", "Gather", "Concat", "Conv", "GlobalAveragePool", "Reshape"]
    assert block_types(model) == [["Conv", "Relu"], middle, ["Gemm"]]


def plain(bits: int = 4) -> State:
    bound = 2 ** (bits - 1) - 1
    to = replace(target("octavo"), weights=Grid("int8", -bound, bound))
    return states.state(states.network(), states.inputs(96), to)


def test_the_error_on_unseen_samples_is_smaller_than_with_rounding_by_layers() -> None:
    start, unseen = plain(), states.inputs(64, seed=5)
    learnt, by_layers = (rungs_named(name)[0].apply(start) for name in ("reconstruct", "round"))
    assert learnt.note.startswith("rounding learned for")
    assert states.sqnr(learnt.state, start, unseen) > states.sqnr(by_layers.state, start, unseen) + 0.1


def test_the_same_seed_gives_the_same_integers() -> None:
    start = plain()
    first, second = (rungs_named("reconstruct")[0].apply(start).state for _ in range(2))
    assert all(
        np.array_equal(constant.integers, second.constants[key].integers) for key, constant in first.constants.items()
    )


def test_blocks_without_gradients_are_rounded_layer_by_layer() -> None:
    nodes = [
        node("Conv", ["x", "a"], "c"),
        node("Resize", ["c", "", "scales"], "r", mode="nearest"),
        node("Conv", ["r", "b"], "y"),
    ]
    weights = {"a": random(6, 4, 3, 3), "b": random(6, 6, 3, 3), "scales": np.array([1, 1, 2, 2], np.float32)}
    start = states.state(build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, 10, 10]}, weights), states.inputs(48))
    assert rungs_named("reconstruct")[0].apply(start).note.endswith("; not translated to PyTorch: Resize")


def test_without_pytorch_the_state_is_kept_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    start = plain()
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = rungs_named("reconstruct")[0].apply(start)
    assert outcome.state is start
    assert "octavo[torch]" in outcome.note


def test_the_estimated_time_is_stated() -> None:
    rung = rungs_named("reconstruct")[0]
    assert rung.estimate_seconds is not None
    assert 1 < rung.estimate_seconds(plain()) < 600
