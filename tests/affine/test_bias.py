"""Biases: exact to half a step, refused beyond int32, and representable after the weight scales are widened."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from octavo.affine import (
    BIAS_LIMIT,
    INT8,
    UINT8,
    QuantParams,
    accumulator_bound,
    bias_scale,
    dequantize,
    matmul_integer,
    quantize_bias,
    widen_weight_scale,
)

TINY = float(np.finfo(np.float32).tiny)

scales = st.floats(2.0**-126, 2.0**60, width=32)
biases = st.floats(-(2.0**60), 2.0**60, width=32)


def weights(scale: float | list[float]) -> QuantParams:
    stored = np.asarray(scale, np.float32)
    return QuantParams(INT8.narrow(), stored, np.zeros(stored.shape, np.int32), 0 if stored.ndim else None)


@given(biases, st.floats(2.0**-10, 2.0**10, width=32), st.floats(2.0**-20, 2.0**10, width=32))
def test_error_is_at_most_half_a_step(bias: float, input_scale: float, weight_scale: float) -> None:
    step = float(bias_scale(input_scale, weight_scale))
    if abs(bias) / step > 2.0**31 - 2:
        return
    q = int(quantize_bias(bias, input_scale, weight_scale))
    assert abs(q * step - bias) <= step / 2 * (1 + 2.0**-20)


def test_the_step_is_a_float32_product() -> None:
    step = bias_scale(np.float32(0.1), np.array([0.3, 0.7], np.float32))
    assert step.dtype == np.float32
    np.testing.assert_array_equal(step, np.float32(0.1) * np.array([0.3, 0.7], np.float32))
    assert quantize_bias([1.5, 2.5, -2.5], 1.0, 1.0).tolist() == [2, 2, -2]


@pytest.mark.parametrize("value", [3e9, -3e9, np.nan, np.inf])
def test_a_bias_that_does_not_fit_names_its_channel(value: float) -> None:
    with pytest.raises(OverflowError, match="channel 2"):
        quantize_bias([0.0, 1.0, value], 1.0, np.ones(3, np.float32))


def test_a_step_that_underflows_is_refused() -> None:
    with pytest.raises(OverflowError, match="channel 0"):
        quantize_bias([1.0], np.float32(1e-30), np.array([1e-30], np.float32))


@given(biases, scales, scales)
@example(2.0**60, 2.0**-60, 2.0**-60)
@example(0.0, 2.0**-126, 2.0**-126)
def test_widening_keeps_half_of_the_accumulator_free(bias: float, input_scale: float, weight_scale: float) -> None:
    before = weights(weight_scale)
    after = widen_weight_scale(before, bias, input_scale)
    assert float(after.scale) >= float(before.scale)
    if float(after.scale) == float(np.finfo(np.float32).max):
        return  # no float32 scale is large enough, and quantize_bias raises
    step = float(bias_scale(input_scale, after.scale))
    assert step >= TINY
    assert abs(int(quantize_bias(bias, input_scale, after.scale))) <= BIAS_LIMIT


def test_rounding_the_widened_scale_cannot_break_the_limit() -> None:
    bias = np.random.default_rng(1).uniform(1.0, 1e6, 2000)
    before = weights([2.0**-60] * bias.size)
    q = quantize_bias(bias, np.float32(0.1), widen_weight_scale(before, bias, np.float32(0.1)).scale)
    assert int(q.max()) <= BIAS_LIMIT
    # Not wider than needed: nearly the whole range is used.
    assert int(q.min()) >= BIAS_LIMIT * (1 - 2.0**-18)


@given(st.lists(biases, min_size=1, max_size=4), st.floats(2.0**-30, 2.0**10, width=32), st.data())
def test_a_widened_layer_cannot_overflow(bias: list[float], input_scale: float, data: st.DataObject) -> None:
    before = weights([data.draw(st.floats(2.0**-40, 2.0**10, width=32)) for _ in bias])
    params = widen_weight_scale(before, bias, input_scale)
    q_bias = quantize_bias(bias, input_scale, params.scale)
    # The longest sum of 8-bit products that stays below 2**30, of the largest weights and inputs.
    depth = (2**30 - 1) // (255 * 127)
    weight = np.full((len(bias), depth), 127, np.int8)
    x_params = QuantParams(UINT8, np.asarray(input_scale, np.float32), np.asarray(0, np.int32))
    bound = accumulator_bound(weight, params, x_params, q_bias, contraction=(1,))
    assert bound < 2**31
    worst = matmul_integer(np.full((1, depth), 255, np.uint8), x_params, weight[:1].T, weights(1.0))
    assert int(worst[0, 0]) + int(np.abs(q_bias.astype(np.int64)).max()) == bound


def test_scales_that_are_wide_enough_are_kept() -> None:
    before = weights([0.01, 1e-12])
    after = widen_weight_scale(before, [5.0, 5.0], 0.1)
    assert after.scale[0] == before.scale[0]
    # The smallest sufficient scale: 5 / (0.1 * 2**30).
    np.testing.assert_allclose(after.scale[1], 5 / 0.1 / 2**30, rtol=1e-5)


def test_a_bias_beyond_every_scale_is_named() -> None:
    after = widen_weight_scale(weights([1.0]), [1e38], 1e-30)
    with pytest.raises(OverflowError, match="channel 0"):
        quantize_bias([1e38], np.float32(1e-30), after.scale)


def test_a_bias_is_dequantized_at_its_step() -> None:
    params = QuantParams(INT8, bias_scale(0.5, 0.25), np.asarray(0, np.int32))
    assert float(dequantize(quantize_bias(3.0, 0.5, 0.25), params)) == 3.0
