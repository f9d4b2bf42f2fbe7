"""Tables of unary functions: every entry, on every grid of 8 bits or fewer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.affine import (
    INT4,
    INT8,
    INT16,
    UINT4,
    UINT8,
    Grid,
    apply_table,
    dequantize,
    params_from_range,
    quantize,
    table,
)
from octavo.affine.params import Doubles
from octavo.errors import OptionError

grids = st.sampled_from([INT8, UINT8, INT4, UINT4, INT8.narrow()])


def sigmoid(x: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-x)))


@given(grids, grids, st.floats(-20, -0.5, width=32), st.floats(0.5, 20, width=32))
def test_every_entry_is_the_nearest_integer(source: Grid, result: Grid, low: float, high: float) -> None:
    x_params, y_params = params_from_range(low, high, source), params_from_range(0.0, 1.0, result)
    entries = table(sigmoid, x_params, y_params)
    assert entries.dtype == result.numpy_dtype
    assert entries.size == source.levels
    q = np.arange(source.qmin, source.qmax + 1)
    real = np.asarray((q - int(x_params.zero_point)) * float(x_params.scale), np.float64)
    error = np.abs(dequantize(entries, y_params) - sigmoid(real))
    assert error.max() <= float(y_params.scale) / 2 + 2.0**-24


@given(grids)
def test_the_identity_changes_nothing(grid: Grid) -> None:
    p = params_from_range(-1.0, 2.0, grid)
    q = np.arange(grid.qmin, grid.qmax + 1).astype(grid.numpy_dtype)
    np.testing.assert_array_equal(apply_table(q, table(lambda x: x, p, p), grid), q)


def test_lookups_keep_the_shape_and_start_at_qmin() -> None:
    x_params, y_params = params_from_range(-4.0, 4.0, INT8), params_from_range(-1.0, 1.0, UINT8)
    q = np.array([[-128, 0], [127, -1]], np.int8)
    expected = quantize(np.tanh(dequantize(q, x_params).astype(np.float64)), y_params)
    result = apply_table(q, table(np.tanh, x_params, y_params), INT8)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, expected)


def test_wider_grids_are_refused() -> None:
    with pytest.raises(OptionError, match="65536 entries"):
        table(np.tanh, params_from_range(-1.0, 1.0, INT16), params_from_range(-1.0, 1.0, INT8))
