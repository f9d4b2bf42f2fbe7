"""A walk evaluates a model node by node; its tensors equal those of one run of the whole model."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers import models, states
from tests.helpers.models import feeds

from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.graph import input_specs, prepare
from octavo.graph.constants import constant, new_constant
from octavo.recover.layers.walk import Walk, calibration_batches, walkable


@pytest.mark.parametrize("pattern", ["residual", "attention", "gate", "movers", "embedding", "layer_norm"])
def test_node_inputs_during_a_walk_equal_those_of_the_whole_model(pattern: str) -> None:
    proto = models.PATTERNS[pattern]()
    model = prepare(ir.from_proto(proto))
    batches = [feeds(proto, seed) for seed in range(2)]
    walk = Walk(model, batches)
    for node in list(model.graph):
        walk.until(node.name or "")
        for value in node.inputs:
            if value is None or constant(value) is not None:
                continue
            for batch, values in zip(batches, walk.tensor(value.name or ""), strict=True):
                is_input = value.name in batch
                expected = (
                    batch[value.name] if is_input else Session(model, outputs=[value.name or ""]).run(batch)[value.name]
                )
                np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6)


def test_later_nodes_see_changed_weights_and_a_fork_keeps_its_position() -> None:
    model = prepare(ir.from_proto(states.network()))
    first, _, second, _, third = list(model.graph)
    walk = Walk(model, [states.inputs(4)])
    walk.until(second.name or "")
    fork = walk.fork()
    weights = constant(second.inputs[1])
    assert weights is not None
    before = walk.tensor("r")[0]
    second.replace_input_with(1, new_constant(model.graph, "doubled", 2 * weights))
    walk.until(third.name or "")
    assert np.array_equal(fork.tensor("r")[0], before)
    fork.until(third.name or "")
    assert np.array_equal(fork.tensor("s")[0], walk.tensor("s")[0])
    assert first.name


def test_calibration_batches_are_limited_and_have_the_batch_size_of_the_model() -> None:
    model = prepare(ir.from_proto(states.network()))
    batches = calibration_batches(open_samples(states.inputs(300), input_specs(model)), model)
    assert 256 <= sum(len(batch["x"]) for batch in batches) <= 300
    fixed = states.network()
    for value in (*fixed.graph.input, *fixed.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    model = prepare(ir.from_proto(fixed))
    batches = calibration_batches(open_samples(states.inputs(10), input_specs(model)), model)
    assert {len(batch["x"]) for batch in batches} == {4}


def test_models_with_subgraphs_are_not_walked() -> None:
    assert not walkable(ir.from_proto(models.if_subgraph()))
    assert walkable(ir.from_proto(states.network()))
