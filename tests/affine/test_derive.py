"""The worked derivation: its result equals that of params_from_range, and every step has its values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.affine import GRIDS, INT8, UINT8, Derivation, Grid, dequantize, derive, params_from_range, quantize
from octavo.errors import OptionError

TITLES = [
    "Range given",
    "Widened to hold 0",
    "Grid",
    "Exact scale",
    "Stored scale",
    "Zero point",
    "Range covered",
    "Worst rounding error",
]

ends = st.floats(allow_nan=False, allow_infinity=False, width=32)
small_grids = st.sampled_from([g for name, g in GRIDS.items() if name != "int32"] + [INT8.narrow()])


def results(derivation: Derivation) -> dict[str, str]:
    return {step.title: step.result for step in derivation.steps}


@given(ends, ends, small_grids, st.booleans(), st.lists(st.floats(), max_size=4))
def test_all_steps_are_present_and_the_rows_equal_the_mapping(
    low: float, high: float, grid: Grid, symmetric: bool, values: list[float]
) -> None:
    worked = derive(low, high, grid, symmetric=symmetric, values=values)
    p = params_from_range(low, high, grid, symmetric=symmetric)
    assert (worked.params.scale, worked.params.zero_point) == (p.scale, p.zero_point)
    assert [step.title for step in worked.steps] == TITLES
    assert all(step.formula and step.result for step in worked.steps)
    assert float(results(worked)["Stored scale"].removeprefix("S = ")) == float(p.scale)
    assert results(worked)["Zero point"].endswith(f"Z = {int(p.zero_point)}")
    assert len(worked.rows) == len(values)
    for row, value in zip(worked.rows, values, strict=True):
        assert row.q == quantize(value, p)
        assert row.dequantized == dequantize(row.q, p)
        assert (row.bound is None) == (row.clipped or math.isnan(value))
        if row.bound is not None:
            assert row.bound == float(p.scale) / 2
            assert abs(row.error) <= row.bound * (1 + 2.0**-35) + abs(row.dequantized) * 2.0**-24 + 2.0**-150


def test_the_numbers_of_an_affine_example() -> None:
    worked = derive(0.5, 2.55, UINT8)
    shown = results(worked)
    assert shown["Range given"] == "[0.5, 2.55]"
    assert shown["Widened to hold 0"] == "[0, 2.55]"
    assert shown["Grid"] == "qmin = 0, qmax = 255"
    assert float(shown["Exact scale"].removeprefix("S = ")) == 2.55 / 255
    assert shown["Zero point"].endswith("Z = 0")
    assert "(2.55 - 0) / (255 - 0)" in worked.steps[3].formula
    assert float(shown["Worst rounding error"]) == pytest.approx(0.005)


def test_the_numbers_of_a_symmetric_example() -> None:
    worked = derive(-1.0, 0.5, INT8, symmetric=True)
    assert "1 / 127" in worked.steps[3].formula
    assert results(worked)["Zero point"] == "Z = 0"


def test_the_zero_point_is_shown_before_and_after_rounding() -> None:
    step = derive(-1.2, 3.4, INT8).steps[5]
    assert step.result == "-61.4782665, rounded half to even -61, clipped to the grid Z = -61"
    assert "-128 - (-1.2)" in step.formula


def test_why_the_stored_scale_is_not_the_exact_one() -> None:
    assert "no width" in derive(0.0, 0.0, INT8).steps[4].formula
    assert "smallest normal" in derive(0.0, 1e-44, INT8).steps[4].formula
    assert "next float32" in derive(-1.0, 1.0, INT8).steps[4].formula


def test_rows_outside_the_range_show_the_clipping_error() -> None:
    rows = derive(-1.0, 1.0, INT8, values=[0.0, 0.3, 5.0, -np.inf, np.nan]).rows
    assert (rows[0].error, rows[0].clipped) == (0.0, False)
    assert rows[1].bound is not None
    assert abs(rows[1].error) <= rows[1].bound
    assert (rows[2].q, rows[2].clipped, rows[2].bound) == (127, True, None)
    assert rows[2].error < -3.9
    assert (rows[3].q, rows[3].clipped, rows[3].bound) == (-128, True, None)
    assert math.isnan(rows[4].error)
    assert (rows[4].clipped, rows[4].bound) == (False, None)
    assert rows[4].dequantized == 0.0


def test_an_infinite_range_is_refused() -> None:
    with pytest.raises(OptionError, match="not finite"):
        derive(0.0, math.inf, INT8)
