"""Native GEMM equals octavo.affine bit for bit, on every instruction set."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.instruction_sets import each_isa

from octavo import affine
from octavo.affine import Grid, QuantParams
from octavo.native import Product, kernels

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([47, 64, 65, 97, 127, 128, 129]))
GRIDS = [affine.INT8, affine.UINT8]
OUTPUTS = [*GRIDS, affine.INT8.narrow(), Grid("uint8", 17, 101)]


@st.composite
def zero_points(draw, grid: Grid) -> int:
    return draw(st.one_of(st.sampled_from([grid.qmin, grid.qmax, 0 if grid.signed else 128]), st.integers(-9, 9)))


class Case:
    """A GEMM: operands with their quantization parameters, and an optional bias."""

    def __init__(self, data: st.DataObject, m: int, n: int, k: int) -> None:
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        grid = data.draw(st.sampled_from(GRIDS))
        low, high = data.draw(st.sampled_from([(grid.qmin, grid.qmax), (grid.qmin, grid.qmin), (grid.qmax, grid.qmax)]))
        self.a = rng.integers(low, high + 1, (m, k)).astype(grid.numpy_dtype)
        low, high = data.draw(st.sampled_from([(-127, 127), (-128, 127), (-128, -128), (127, 127)]))
        self.b = rng.integers(low, high + 1, (k, n)).astype(np.int8)
        zero_point = int(np.clip(data.draw(zero_points(grid)), grid.qmin, grid.qmax))
        self.a_params = QuantParams(grid, np.float32(rng.uniform(0.001, 0.1)), np.int32(zero_point))
        scales = rng.uniform(0.001, 0.1, n).astype(np.float32)
        b_zero = rng.integers(-128, 128, n) if data.draw(st.booleans()) else np.zeros(n)
        self.b_params = QuantParams(affine.INT8, scales, b_zero.astype(np.int32), axis=1)
        self.bias = rng.integers(-(2**20), 2**20, n).astype(np.int32) if data.draw(st.booleans()) else None

    def product(self, isa: str) -> Product:
        zero_points = self.b_params.zero_point
        b_zero = zero_points if zero_points.any() else None
        return kernels(isa).product(self.b, self.a.dtype == np.int8, int(self.a_params.zero_point), b_zero, self.bias)

    def sums(self) -> np.ndarray:
        sums_of_products = affine.matmul_integer(self.a, self.a_params, self.b, self.b_params)
        return sums_of_products if self.bias is None else sums_of_products + self.bias


def run(product: Product, a: np.ndarray, n: int, dtype: type) -> np.ndarray:
    # Not zeros, so that elements that the kernel does not write are detected.
    c = np.full((len(a), n), 77, np.uint8 if np.dtype(dtype).itemsize == 1 else dtype)
    product.run(a.view(np.uint8), c)
    return c.view(dtype)


@each_isa
@settings(max_examples=150)
@given(m=SIZES, n=SIZES, k=SIZES, data=st.data())
def test_int32_output(isa, m, n, k, data):
    case = Case(data, m, n, k)
    assert np.array_equal(run(case.product(isa), case.a, n, np.int32), case.sums())


@each_isa
@settings(max_examples=150)
@given(m=SIZES, n=SIZES, k=SIZES, data=st.data())
def test_8_bit_output(isa, m, n, k, data):
    case = Case(data, m, n, k)
    grid = data.draw(st.sampled_from(OUTPUTS))
    zero_point = data.draw(st.one_of(st.sampled_from([grid.qmin, grid.qmax]), st.integers(grid.qmin, grid.qmax)))
    # From so coarse that all values are equal to so fine that most are clipped.
    step = np.float32(np.abs(case.sums()).max(initial=1) * 0.005 / 10 ** data.draw(st.integers(0, 4)))
    out_params = QuantParams(grid, max(step, np.float32(1e-3)), np.int32(zero_point))
    expected = affine.matmul(case.a, case.a_params, case.b, case.b_params, out_params, case.bias)
    product = case.product(isa)
    multiplier = affine.requantization_multiplier(case.a_params.scale, case.b_params.scale, out_params.scale)
    product.to_bytes(multiplier, zero_point, grid.qmin, grid.qmax)
    assert np.array_equal(run(product, case.a, n, grid.numpy_dtype), expected)


@each_isa
@given(m=SIZES, n=SIZES, k=SIZES, data=st.data())
def test_float_output(isa, m, n, k, data):
    case = Case(data, m, n, k)
    multiplier = affine.bias_scale(case.a_params.scale, case.b_params.scale)
    product = case.product(isa)
    product.to_float(multiplier)
    assert np.array_equal(run(product, case.a, n, np.float32), case.sums().astype(np.float32) * multiplier)


@each_isa
@pytest.mark.parametrize(("dtype", "a", "b"), [(np.uint8, 255, -128), (np.uint8, 255, 127), (np.int8, -128, -128)])
def test_accumulators_at_the_int32_bound(isa, dtype, a, b):
    """The largest K that does not overflow, with every partial sum at its extreme."""
    k = (2**31 - 1) // abs(a * b)
    lhs, rhs = np.full((7, k), a, dtype), np.full((k, 3), b, np.int8)
    sums = run(kernels(isa).product(rhs, dtype == np.int8, 0), lhs, 3, np.int32)
    assert np.array_equal(sums, np.full((7, 3), k * a * b))


@each_isa
@pytest.mark.parametrize(("m", "n", "k"), [(300, 70, 1100), (1, 1000, 4096), (211, 33, 2048)])
def test_shapes_of_several_blocks(isa, m, n, k):
    rng = np.random.default_rng(m)
    a, b = rng.integers(-128, 128, (m, k)).astype(np.int8), rng.integers(-128, 128, (k, n)).astype(np.int8)
    b_zero = rng.integers(-128, 128, n).astype(np.int32)
    sums = run(kernels(isa).product(b, True, -128, b_zero), a, n, np.int32)
    assert np.array_equal(sums, (a.astype(np.int64) + 128) @ (b.astype(np.int64) - b_zero))


def test_empty_k_gives_the_bias():
    bias = np.arange(5, dtype=np.int32)
    product = kernels().product(np.zeros((0, 5), np.int8), False, 3, None, bias)
    assert np.array_equal(run(product, np.zeros((2, 0), np.uint8), 5, np.int32), [bias, bias])


def test_empty_m_gives_an_empty_result():
    product = kernels().product(np.zeros((4, 5), np.int8), False, 3)
    assert run(product, np.zeros((0, 4), np.uint8), 5, np.int32).shape == (0, 5)


@pytest.mark.parametrize(
    ("a", "c"),
    [
        (np.zeros((2, 5), np.uint8), np.zeros((2, 3), np.int32)),
        (np.zeros((2, 4), np.uint8), np.zeros((3, 3), np.int32)),
        (np.zeros((2, 4), np.uint8), np.zeros((2, 4), np.int32)),
        (np.zeros((2, 4), np.uint8), np.zeros((2, 3), np.uint8)),
    ],
)
def test_mismatched_arrays_are_refused(a, c):
    product = kernels().product(np.zeros((4, 3), np.int8), False, 0)
    with pytest.raises(ValueError, match=r"do not fit|another type"):
        product.run(a, c)


@pytest.mark.parametrize("name", ["b_zero", "bias"])
def test_vectors_of_wrong_length_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} needs one value a column"):
        kernels().product(np.zeros((4, 3), np.int8), False, 0, **{name: np.zeros(4, np.int32)})
