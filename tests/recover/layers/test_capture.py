"""What layers read, in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.models import build, node, random
from tests.helpers.states import inputs, network, state

from octavo.recover.layers import capture as module
from octavo.recover.layers.capture import capture


def test_rows_and_ranges_are_those_of_the_inputs() -> None:
    plain = state(network(), inputs())
    seen = capture(plain.model, plain.settings, plain.settings.samples)
    assert [each.linear.node.op_type for each in seen.values()] == ["Conv"] * 3
    first = next(iter(seen.values()))
    assert first.values == 4 * 8 * 8
    np.testing.assert_array_equal(first.largest, np.abs(inputs()["x"]).max(axis=(0, 2, 3)))
    assert np.abs(first.rows).max() <= first.largest.max()


def test_large_tensors_are_captured_in_several_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = state(network(), inputs())
    together = capture(plain.model, plain.settings, plain.settings.samples)
    sessions: list[list[str]] = []
    tensors = module.tensors

    def noted(*arguments: object) -> object:
        sessions.append(list(arguments[2]))  # type: ignore[call-overload]
        assert arguments[4] == (3 if len(sessions) == 1 else 1)
        return tensors(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "tensors", noted)
    monkeypatch.setattr(module, "_BYTES", 4 * 12 * 8 * 8)
    apart = capture(plain.model, plain.settings, plain.settings.samples)
    assert [len(names) for names in sessions] == [1, 1, 1]
    for name, seen in together.items():
        np.testing.assert_array_equal(apart[name].largest, seen.largest)
        assert apart[name].values == seen.values


def test_sizes_follow_the_inputs_symbols() -> None:
    model = build([node("MatMul", ["x", "w"], "y")], {"x": ["N", "L", 6]}, {"y": ["N", "L", 3]}, {"w": random(6, 3)})
    plain = state(model, {"x": random(12, 5, 6)})
    (seen,) = capture(plain.model, plain.settings, plain.settings.samples).values()
    assert seen.values == 5 * 6
