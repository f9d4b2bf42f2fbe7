"""Decisions survive JSON and arrays unchanged, and unfit data raise what a checkpoint treats as damage."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo.affine import INT8, UINT8, Grid, QuantParams
from octavo.graph.weights import QuantizedConstant
from octavo.quantizer import Decisions
from octavo.recover.codec import decode, encode


def stored(annotation: Any, value: Any) -> Any:
    """The value after JSON and back."""
    arrays: dict[str, np.ndarray] = {}
    return decode(annotation, json.loads(json.dumps(encode(value, arrays))), arrays)


def test_decisions_are_stored_exactly() -> None:
    params = QuantParams(UINT8, np.float32(0.1), np.int32(3))
    channels = QuantParams(INT8, np.float32([0.1, 0.2]), np.zeros(2, np.int32), axis=0)
    decisions = Decisions(
        left_out={"conv": "to see"},
        estimators={"x": "minmax"},
        grids={"r": Grid("uint8", 0, 127)},
        constants={("conv", 1): QuantizedConstant("w", np.arange(4, dtype=np.int8).reshape(2, 2), channels)},
        trained={"x": params},
    )
    decoded = stored(Decisions, decisions)
    assert (decoded.left_out, decoded.estimators, decoded.grids) == (
        decisions.left_out,
        decisions.estimators,
        decisions.grids,
    )
    (constant,), (original,) = decoded.constants.values(), decisions.constants.values()
    assert decoded.constants.keys() == decisions.constants.keys()
    assert constant.integers.dtype == np.int8
    assert np.array_equal(constant.integers, original.integers)
    for actual, expected in ((constant.params, channels), (decoded.trained["x"], params)):
        assert (actual.grid, actual.axis, actual.block_size) == (expected.grid, expected.axis, expected.block_size)
        assert actual.scale.dtype == expected.scale.dtype == np.float32
        assert np.array_equal(actual.scale, expected.scale)
        assert np.array_equal(actual.zero_point, expected.zero_point)


@dataclass(frozen=True)
class Other:
    """A new kind of decision, of every type that a field may hold."""

    number: float
    flag: bool = True
    name: str | None = None
    places: list[tuple[int, str]] = field(default_factory=list)
    array: NDArray[np.float64] | None = None


@pytest.mark.parametrize("value", [Other(0.5), Other(-1.0, False, "n", [(1, "a"), (2, "b")])])
def test_a_new_kind_of_decision_needs_no_code(value: Other) -> None:
    assert stored(dict[str, Other], {"x": value}) == {"x": value}
    array = np.linspace(0, 1, 5)
    assert np.array_equal(stored(Other, Other(1.0, array=array)).array, array)


@pytest.mark.parametrize(
    ("annotation", "data"),
    [(dict[str, str], [["x", 1]]), (dict[str, Grid], [["x", {"dtype": "uint8"}]]), (Decisions, {"gone": []})],
)
def test_data_that_do_not_fit_are_refused(annotation: Any, data: Any) -> None:
    with pytest.raises((TypeError, ValueError, KeyError)):
        decode(annotation, data, {})


def test_a_value_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(TypeError, match="a value of type object cannot be stored"):
        encode(object(), {})
