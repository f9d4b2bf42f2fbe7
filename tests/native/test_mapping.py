"""Native quantize and dequantize equal octavo.affine bit for bit, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.helpers.instruction_sets import each_isa

from octavo import affine
from octavo.affine import Grid, QuantParams
from octavo.native import kernels

GRIDS = [affine.INT8, affine.UINT8, affine.INT8.narrow(), Grid("uint8", 3, 200)]
SCALES = st.one_of(
    st.floats(2.0**-10, 2.0**10, width=32),
    st.sampled_from([float(np.finfo(np.float32).tiny), 2.0**119, 2.0**-7, 1 / 3]),
)


@st.composite
def mappings(draw):
    grid = draw(st.sampled_from(GRIDS))
    zero_point = draw(st.one_of(st.sampled_from([grid.qmin, grid.qmax]), st.integers(grid.qmin, grid.qmax)))
    return QuantParams(grid, np.float32(draw(SCALES)), np.int32(zero_point))


def quantize(isa: str, values: np.ndarray, params: QuantParams) -> np.ndarray:
    q = np.empty(values.size, np.uint8)
    grid = params.grid
    kernels(isa).quantize(values, float(params.scale), int(params.zero_point), grid.qmin, grid.qmax, q)
    return q.view(grid.numpy_dtype)


def dequantize(isa: str, q: np.ndarray, params: QuantParams) -> np.ndarray:
    x = np.empty(q.size, np.float32)
    kernel = kernels(isa).dequantize_s8 if q.dtype == np.int8 else kernels(isa).dequantize_u8
    kernel(q, float(params.scale), int(params.zero_point), x)
    return x


@each_isa
@given(values=hnp.arrays(np.float32, st.integers(0, 100), elements=st.floats(width=32)), params=mappings())
def test_arbitrary_values(isa, values, params):
    assert np.array_equal(quantize(isa, values, params), affine.quantize(values, params))


@each_isa
@given(params=mappings(), ulps=st.integers(-3, 3))
def test_values_at_rounding_boundaries(isa, params, ulps):
    """Rounding boundaries: quotients n + 1/2, exact or a few float32 ulps away."""
    middles = ((np.arange(-300, 300) + 0.5) * np.float64(params.scale)).astype(np.float32)
    values = (middles.view(np.int32) + np.int32(ulps)).view(np.float32)
    assert np.array_equal(quantize(isa, values, params), affine.quantize(values, params))


@each_isa
def test_long_array_of_typical_values(isa):
    values = np.random.default_rng(0).normal(size=1_000_003).astype(np.float32)
    params = affine.params_from_range(-3.1, 3.3, affine.UINT8)
    assert np.array_equal(quantize(isa, values, params), affine.quantize(values, params))


@each_isa
@given(params=mappings(), size=st.integers(0, 300))
def test_dequantize(isa, params, size):
    all_integers = np.arange(params.grid.qmin, params.grid.qmax + 1).astype(params.grid.numpy_dtype)
    q = np.resize(all_integers, size)
    assert np.array_equal(dequantize(isa, q, params), affine.dequantize(q, params))


def test_mismatched_arrays_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        kernels().quantize(np.zeros(4, np.float32), 1.0, 0, 0, 255, np.zeros(3, np.uint8))
    with pytest.raises(TypeError):
        kernels().quantize(np.zeros(4, np.float64), 1.0, 0, 0, 255, np.zeros(4, np.uint8))
    with pytest.raises(TypeError):
        kernels().dequantize_u8(np.zeros(8, np.uint8)[::2], 1.0, 0, np.zeros(4, np.float32))
