"""Checks of samples against the input specifications of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.helpers.sample_data import VALUES, X, inputs, opened, refusal, spec

from octavo.data import Preprocess
from octavo.errors import DataError

IMAGE = (spec("image", ("N", 3, 4, None)),)


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (1, 3, 4, 1)])
def test_dynamic_dimensions_accept_any_size(shape: tuple[int, ...]) -> None:
    assert inputs(opened(np.zeros(shape, np.float32), IMAGE))["image"].shape == shape


@pytest.mark.parametrize(
    ("shape", "parts"),
    [
        ((5, 3, 4), ("[2, 3, 4]", "[N, 3, 4, ?]", "first axis counts samples")),
        ((5, 1, 3, 4, 6), ("[2, 1, 3, 4, 6]", "[N, 3, 4, ?]")),
        ((5, 4, 4, 6), ("4 on axis 1", "[N, 3, 4, ?]")),
        ((5, 3, 6, 4), ("6 on axis 2", "[N, 3, 4, ?]")),
    ],
)
def test_a_mismatched_shape_is_refused(shape: tuple[int, ...], parts: tuple[str, ...]) -> None:
    refusal(lambda: inputs(opened(np.zeros(shape, np.float32), IMAGE)), DataError, "'image'", *parts)


def test_all_inputs_need_the_same_number_of_samples() -> None:
    items = [{"x": VALUES[:2], "y": VALUES[:2]}, {"x": VALUES[:2], "y": VALUES[:1]}]
    refusal(lambda: inputs(opened(items, (*X, spec("y")))), DataError, "sample 2", "{'x': 2, 'y': 1}")


def test_a_model_without_input_shape_is_refused() -> None:
    refusal(lambda: inputs(opened(VALUES, (spec(shape=()),))), DataError, "'x'", "has no shape")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_the_sample_with_a_non_finite_value_is_named(value: float, dtype: Any, batch_size: int) -> None:
    source = VALUES.astype(dtype)
    source[5, 1] = source[6, 0] = value
    refusal(lambda: inputs(opened(source), batch_size), DataError, "'x'", "sample 5", "NaN or infinity")
    refusal(lambda: inputs(opened([*source]), batch_size), DataError, "'x'", "sample 5", "NaN or infinity")


def test_overflow_in_the_type_of_the_model_is_not_finite() -> None:
    refusal(lambda: inputs(opened(VALUES.astype(float) * 1e300)), DataError, "sample 0", "NaN or infinity")


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [
        (np.float64, np.float32),
        (np.float32, np.float16),
        (np.int32, np.int64),
        (np.int64, np.int32),
        (np.uint8, np.int64),
        (np.int64, np.bool_),
        (np.bool_, np.int64),
        (np.uint64, np.int8),
    ],
)
def test_lossless_types_are_converted(stored: Any, dtype: Any) -> None:
    source = np.array([[0, 1, 1], [1, 0, 0]]).astype(stored)
    converted = inputs(opened(source, (spec(dtype=dtype),)))["x"]
    assert converted.dtype == dtype
    np.testing.assert_array_equal(converted, [[0, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("source", "dtype", "part"),
    [
        (np.array([[0, 300, 1]]), np.uint8, "int64 but the model takes uint8"),
        (np.array([[0, -1, 1]]), np.uint64, "int64 but the model takes uint64"),
        (np.array([[0, 2, 1]]), np.bool_, "int64 but the model takes bool"),
        (np.array([[2**63, 0, 1]], np.uint64), np.int64, "uint64 but the model takes int64"),
        (VALUES, np.int64, "float32 but the model takes int64"),
        (VALUES.astype(complex), np.float32, "complex128"),
        (VALUES.astype(str), np.float32, "<U"),
        (np.zeros((2, 3), "M8[s]"), np.float32, "datetime64"),
        (np.zeros((2, 3), [("a", "f4")]), np.float32, "'a'"),
        (VALUES.astype(np.uint8), np.float32, "`preprocess.scale`"),
        (VALUES > 0, np.float32, "`preprocess.scale`"),
    ],
)
def test_lossy_conversions_are_refused(source: np.ndarray, dtype: Any, part: str) -> None:
    refusal(lambda: inputs(opened(source, (spec(dtype=dtype),))), DataError, "'x'", part)


@given(
    hnp.arrays(st.sampled_from([np.uint8, np.int8, np.int16, np.bool_]), (2, 3)),
    st.floats(-100, 100, width=32),
    st.floats(-100, 100, width=32),
)
def test_stored_integers_become_floats_by_scale_and_offset(array: np.ndarray, scale: float, offset: float) -> None:
    steps = Preprocess(scale=scale, offset=offset)
    converted = inputs(opened(array, preprocess=steps))["x"]
    assert converted.dtype == np.float32
    exact = array.astype(np.float64) * scale + offset
    magnitude = np.abs(array.astype(np.float64) * scale) + np.abs(exact)
    assert np.all(np.abs(converted - exact) <= magnitude * 2.0**-24 + 2.0**-149)


def test_scale_and_offset_do_not_apply_to_floats_and_integer_inputs() -> None:
    specs, steps = (*X, spec("ids", ("N",), np.int64)), Preprocess(scale=2.0, offset=1.0)
    given_back = inputs(opened({"x": VALUES, "ids": np.arange(len(VALUES))}, specs, preprocess=steps))
    np.testing.assert_array_equal(given_back["x"], VALUES)
    np.testing.assert_array_equal(given_back["ids"], np.arange(len(VALUES)))


@pytest.mark.parametrize("steps", [Preprocess(scale=0.5, mean=(0.5,)), Preprocess(scale=0.5, std=(0.5,))])
def test_mean_and_std_are_not_silently_ignored(steps: Preprocess) -> None:
    refusal(lambda: inputs(opened(VALUES.astype(np.uint8), preprocess=steps)), DataError, "'x'", "folders of images")
