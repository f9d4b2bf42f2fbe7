"""Calibrations of parts of the data merge into the calibration of all data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.calibration import SAMPLES, calibrated, inputs, prepared, serialized
from tests.helpers.models import conv_relu

from octavo.calibrate import Calibration
from octavo.errors import OptionError
from octavo.ranges import RangeSketch
from octavo.ranges.fbgemm_histogram import FbgemmHistogram
from octavo.ranges.moving_average import MovingAverage

MODEL = prepared(conv_relu())
X = inputs(MODEL)["x"]


@settings(max_examples=30)
@given(st.permutations(range(SAMPLES)), st.sets(st.integers(1, SAMPLES - 1), max_size=4), st.randoms())
def test_parts_in_any_order_merge_into_the_sketches_of_one_pass(order, cuts, choice):
    parts = [calibrated(MODEL, X[rows]) for rows in np.split(np.array(order), sorted(cuts))]
    while len(parts) > 1:
        first, second = (parts.pop(choice.randrange(len(parts))) for _ in range(2))
        parts.append(first.merge(second))
    expected = calibrated(MODEL, X)
    assert serialized(parts[0])[0] == serialized(expected)[0]
    assert sorted(parts[0].sample_hashes) == sorted(expected.sample_hashes)
    assert parts[0].samples == SAMPLES


def test_merging_adds_times_and_does_not_change_the_parts() -> None:
    first, second = calibrated(MODEL, X[:10]), calibrated(MODEL, X[10:])
    first.seconds, second.seconds = 1.5, 2.25
    before = serialized(first), serialized(second)
    merged = first.merge(second)
    assert merged.seconds == 3.75
    assert merged.sample_hashes == first.sample_hashes + second.sample_hashes
    assert (serialized(first), serialized(second)) == before


def test_samples_have_equal_hashes_only_if_they_are_equal() -> None:
    hashes = calibrated(MODEL, np.concatenate([X, X[3:5]])).sample_hashes
    assert hashes[SAMPLES:] == hashes[3:5]
    assert len(set(hashes)) == SAMPLES


def test_calibrations_of_different_tensors_are_not_merged() -> None:
    with pytest.raises(OptionError, match="different tensors; make them from one model"):
        calibrated(MODEL, X, ["x", "r"]).merge(calibrated(MODEL, X, ["x", "c"]))


@pytest.mark.parametrize("kind", [MovingAverage, FbgemmHistogram])
def test_observers_that_depend_on_the_order_are_not_merged(kind: type) -> None:
    ordered, free = Calibration({"a": RangeSketch(), "b": kind()}), Calibration({"a": RangeSketch(), "b": kind()})
    with pytest.raises(OptionError, match="'b' has an observer that depends on the order of samples"):
        ordered.merge(free)
