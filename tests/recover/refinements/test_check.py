"""The comparison that refinements are kept by."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random

from octavo.data import open_samples
from octavo.graph import input_specs, prepare
from octavo.recover.refinements.check import Check

WEIGHTS = random(4, 3)


def model(scale: float = 1.0, softmax: bool = False, shift: float = 0.0) -> ir.Model:
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "l" if softmax else "y")]
    if softmax:
        nodes.append(node("Softmax", ["l"], "y", axis=-1))
    constants = {"w": WEIGHTS * np.float32(scale), "b": np.full(3, shift, np.float32)}
    return prepare(ir.from_proto(build(nodes, {"x": ["N", 4]}, {"y": ["N", 3]}, constants)))


def check(reference: ir.Model, rows: np.ndarray) -> Check:
    return Check(reference, open_samples({"x": rows}, input_specs(reference)), 16, 1)


def test_the_level_is_that_of_the_error() -> None:
    rows = np.repeat(random(1, 4), 5, axis=0)
    assert check(model(), rows).level_db(model(1.01)) == pytest.approx(40, abs=0.1)
    assert check(model(), rows).level_db(model()) == pytest.approx(150)


def test_one_bad_sample_lowers_the_level() -> None:
    """With equal noise everywhere all three views agree; a sample with ten times the noise shows in the worst."""
    even, uneven = np.repeat(random(1, 4), 8, axis=0), np.repeat(random(1, 4), 8, axis=0)
    uneven[3] *= 10
    equal = check(model(), even).level_db(model(1.01))
    worse = check(model(), uneven).level_db(model(1.01))
    assert equal is not None
    assert worse is not None
    assert worse < equal + 5


def test_of_a_softmax_the_logits_are_compared() -> None:
    """A shift of all logits changes no probability, and all of the logits."""
    rows = random(6, 4)
    level = check(model(softmax=True), rows).level_db(model(softmax=True, shift=100.0))
    assert level is not None
    assert level < 0


def test_outputs_that_tell_nothing_have_no_level() -> None:
    zeros = build([node("Mul", ["x", "z"], "y")], {"x": ["N", 4]}, {"y": ["N", 4]}, {"z": np.zeros(4, np.float32)})
    reference = prepare(ir.from_proto(zeros))
    assert check(reference, random(6, 4)).level_db(reference) is None
