"""Contract of every registered estimator, and the range of each."""

from __future__ import annotations

import re
import sys
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.helpers.distributions import distributions

from octavo.affine import INT8, UINT4, UINT8, Grid, dequantize, params_from_range, quantize
from octavo.errors import OptionError
from octavo.ranges import estimator, estimator_names

DATA = distributions()
SPECS = [*estimator_names(), "percentile:99"]
MERGEABLE = [spec for spec in SPECS if estimator(spec).mergeable]
GRIDS = [(UINT8, False), (Grid("uint8", 0, 127), False), (INT8.narrow(), True), (UINT4, False)]


def range_of(spec, values, grid=UINT8, symmetric=False):
    range_estimator = estimator(spec)
    observer = range_estimator.observer()
    observer.update(np.asarray(values, np.float32))
    return range_estimator.range(observer, grid, symmetric)


def squared_error(values, low, high, grid, symmetric=False):
    params = params_from_range(low, high, grid, symmetric=symmetric)
    return float(np.mean((values - dequantize(quantize(values, params), params).astype(np.float64)) ** 2))


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf]], ids=["empty", "nan", "inf"])
def test_no_finite_values_give_the_zero_range(spec, values):
    assert range_of(spec, values) == (0.0, 0.0)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("symmetric", [False, True])
def test_zeros_give_a_range_that_contains_zero(spec, symmetric):
    low, high = range_of(spec, np.zeros(100), INT8.narrow() if symmetric else UINT8, symmetric)
    assert low <= 0.0 <= high
    assert high - low <= 2.0  # fbgemm widens a single value by one


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec != "fbgemm_histogram"])
@pytest.mark.parametrize("value", [3.7, -3.7, 1e-20, 1e30])
def test_the_range_contains_a_constant(spec, value):
    value = float(np.float32(value))
    low, high = range_of(spec, np.full(100, value))
    assert min(low, 0.0) <= value <= max(high, 0.0)
    assert squared_error(np.float32([value]), low, high, UINT8) <= (value / 500) ** 2


@pytest.mark.parametrize(("spec", "name"), product(SPECS, DATA))
def test_ranges_are_within_the_observed_bounds(spec, name):
    values = DATA[name]
    low, high = range_of(spec, values)
    slack = 1e-6 * float(np.abs(values).max())
    assert min(float(values.min()), 0.0) - slack <= low <= high <= max(float(values.max()), 0.0) + slack


@given(
    st.sampled_from(SPECS),
    hnp.arrays(np.float32, st.integers(0, 50), elements=st.floats(width=32)),
    st.sampled_from(GRIDS),
)
def test_every_range_is_finite_and_ordered(spec, values, kind):
    low, high = range_of(spec, values, *kind)
    assert np.isfinite(low)
    assert np.isfinite(high)
    assert low <= high


@pytest.mark.parametrize("spec", MERGEABLE)
@pytest.mark.parametrize("name", ["normal", "relu", "outlier"])
def test_merged_parts_give_the_range_of_the_whole(spec, name):
    range_estimator = estimator(spec)
    complete, merged, remainder = range_estimator.observer(), range_estimator.observer(), range_estimator.observer()
    for observer, values in ((complete, DATA[name]), (merged, DATA[name][:1000]), (remainder, DATA[name][1000:])):
        observer.update(values)
    assert range_estimator.range(merged.merge(remainder), UINT8, False) == range_estimator.range(complete, UINT8, False)


@pytest.mark.parametrize("spec", ["moving_average", "fbgemm_histogram"])
def test_estimators_that_depend_on_sample_order_are_not_mergeable(spec):
    assert not estimator(spec).mergeable


@pytest.mark.parametrize("spec", ["entropy", "minmax", "mse", "percentile"])
def test_estimators_of_the_range_sketch_are_mergeable(spec):
    assert estimator(spec).mergeable


@pytest.mark.parametrize("spec", SPECS)
def test_observers_round_trip_through_bytes_and_refuse_invalid_bytes(spec):
    range_estimator = estimator(spec)
    observer = range_estimator.observer()
    kind = type(observer)
    for values in (np.float32([]), DATA["normal"], DATA["relu"]):
        observer.update(values)
        data = observer.to_bytes()
        restored = kind.from_bytes(data)
        assert restored.to_bytes() == data
        assert range_estimator.range(restored, UINT8, False) == range_estimator.range(observer, UINT8, False)
    kind_name = re.findall("[A-Z][a-z]+", kind.__name__)[-1].lower()  # RangeSketch -> sketch
    for invalid in (b"", b"OCT", data[:-1], data + b"\0", b"XXXX" + data[4:], b"\xff" * len(data)):
        with pytest.raises(ValueError, match=kind_name):
            kind.from_bytes(invalid)


@given(hnp.arrays(np.float32, st.integers(1, 100), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_minmax_is_exact(values):
    assert range_of("minmax", values) == (float(values.min()), float(values.max()))


@pytest.mark.parametrize("percent", [60, 99, 99.9, 100])
@pytest.mark.parametrize("name", ["normal", "relu", "laplace", "uniform", "skewed", "negative", "constant"])
def test_percentile_equals_numpy_within_a_bin(name, percent):
    values = DATA[name].astype(np.float64)
    low, high = range_of(f"percentile:{percent}", values)
    tiny = float(np.finfo(np.float32).tiny)
    for end, share in ((low, 100 - percent), (high, percent)):
        exact = np.percentile(values, share)
        # The bin width, plus the gap to the next sample where samples are sparse.
        near = np.percentile(values, np.clip([share - 0.01, share + 0.01], 0, 100))
        width = 2**-7 * abs(exact) + tiny
        assert min(near[0], exact) - width <= end <= max(near[1], exact) + width


@pytest.mark.parametrize("grid_symmetric", GRIDS[:3], ids=str)
@pytest.mark.parametrize("name", [name for name in DATA if name not in ("constant", "one")])
def test_mse_is_within_two_percent_of_a_grid_search(name, grid_symmetric):
    grid, symmetric = grid_symmetric
    values = DATA[name][-20_000:]
    error = squared_error(values, *range_of("mse", values, grid, symmetric), grid, symmetric)
    assert error <= 1.02 * least_error(values, grid, symmetric)


def least_error(values, grid, symmetric):
    """The least error over bounds scaled by a grid of factors, refined once."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    if symmetric:
        bound = max(-low, high)
        return min(squared_error(values, -bound * f, bound * f, grid, True) for f in np.geomspace(0.01, 1, 60))
    factors = np.geomspace(0.01, 1, 10)
    below, above = factors if low < 0 else [1.0], factors if high > 0 else [1.0]
    tried = {(a, b): squared_error(values, low * a, high * b, grid) for a, b in product(below, above)}
    a, b = min(tried, key=tried.__getitem__)
    close = np.minimum(np.linspace(0.7, 1.4, 8), np.inf)
    near = product(np.minimum(a * close, 1.0), np.minimum(b * close, 1.0))
    refined = min(squared_error(values, low * x, high * y, grid) for x, y in near)
    return min(refined, *tried.values())


@pytest.mark.parametrize("kind", ["outlier", "skewed"])
def test_mse_finds_asymmetric_bounds_on_few_levels(kind):
    values = DATA["skewed"] if kind == "skewed" else np.append(DATA["normal"], np.float32(30))
    error = squared_error(values, *range_of("mse", values, UINT4), UINT4)
    assert error <= 1.02 * least_error(values, UINT4, False)


def test_mse_of_a_subsample_is_near_that_of_all_values():
    values = np.append(np.tile(DATA["normal"], 4), np.float32(20))
    observer = estimator("mse").observer()
    observer.update(values, stride=11)
    low, high = estimator("mse").range(observer, UINT8, False)
    full_range = range_of("mse", values)
    assert squared_error(values, low, high, UINT8) <= 1.02 * squared_error(values, *full_range, UINT8)


def test_mse_keeps_a_single_outlier_if_that_has_the_least_error():
    values = np.append(DATA["normal"], np.float32(1e6))
    low, high = range_of("mse", values)
    assert high == pytest.approx(1e6, rel=1e-6)
    assert squared_error(values, low, high, UINT8) < 1.1


def test_mse_clips_an_outlier_that_makes_the_grid_too_coarse():
    values = np.append(np.tile(DATA["normal"], 4), np.float32(20))
    low, high = range_of("mse", values)
    assert high < 20
    assert squared_error(values, low, high, UINT8) < squared_error(values, low, 20.0, UINT8)


def test_mse_considers_an_outlier_that_the_histogram_missed():
    observer = estimator("mse").observer()
    array = np.append(DATA["normal"], np.float32(1e5))
    assert (array.size - 1) % 11  # the last value is not counted in the histogram
    observer.update(array, stride=11)
    assert estimator("mse").range(observer, UINT8, False)[1] > 9e4


@pytest.mark.parametrize("name", ["relu", "normal", "gelu", "laplace", "outlier"])
def test_entropy_equals_the_plain_search(name):
    values = DATA[name].astype(np.float64)
    largest = np.abs(values).max()
    counts = np.histogram(np.abs(values), 2048, (0.0, largest))[0].astype(np.float64)
    counts[0] = counts[1]
    levels = 256 if values.min() >= 0 else 128
    widths = range(levels, 2049, 8)
    plain = [plain_divergence(counts, width, levels) for width in widths]
    threshold = max(abs(end) for end in range_of("entropy", values))
    # The sketch has other bins than the plain search, so the optimum may move, but not its divergence.
    index = min(range(len(plain)), key=lambda i: abs(widths[i] * largest / 2048 - threshold))
    assert plain[index] <= min(plain) * 1.1 + 1e-4


def plain_divergence(counts, width, levels):
    """KL divergence as in Migacz's slides, level by level."""
    reference, quantized = counts[:width].copy(), np.zeros(width)
    reference[-1] += counts[width:].sum()
    bounds = np.arange(levels + 1) * width // levels
    for begin, end in pairwise(bounds):
        part = counts[begin:end]
        quantized[begin:end] = np.where(part > 0, part.sum() / max((part > 0).sum(), 1), 0.0)
    if quantized.sum() == 0:
        return np.inf
    p, q = reference / reference.sum(), quantized / quantized.sum()
    occupied = p > 0
    return float(np.sum(p[occupied] * np.log(p[occupied] / np.maximum(q[occupied], 1e-9))))


def test_entropy_is_robust_to_the_zeros_of_relu():
    low, high = range_of("entropy", DATA["relu"])
    assert low == 0.0
    assert 2.5 < high <= DATA["relu"].max()


def test_entropy_keeps_a_uniform_distribution_and_clips_a_tail():
    assert range_of("entropy", DATA["uniform"]) == pytest.approx((-1.0, 3.0), abs=0.01)
    low, high = range_of("entropy", np.append(DATA["normal"], np.float32(30)))
    assert 3.0 < high < 10.0
    assert -10.0 < low < -3.0


@pytest.mark.parametrize("spec", [spec for spec in SPECS if spec != "fbgemm_histogram"])  # searches step by step
def test_choosing_a_range_loops_over_neither_values_nor_bins(spec):
    lines_for_200, lines_for_all = executed_lines(spec, DATA["normal"][:200]), executed_lines(spec, DATA["normal"])
    assert lines_for_all <= 1.1 * lines_for_200 < 6000


def executed_lines(spec, values):
    """The number of Python lines executed while the estimator chooses a range for these values."""
    range_estimator = estimator(spec)
    observer = range_estimator.observer()
    observer.update(values.astype(np.float32))
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        range_estimator.range(observer, UINT8, False)
    finally:
        sys.settrace(before)
    return lines


def test_registered_names_equal_those_of_the_estimators():
    assert [estimator(name).name.partition(":")[0] for name in estimator_names()] == estimator_names()
    assert [estimator(spec).name for spec in ("mse", "percentile:99.9")] == ["mse", "percentile:99.9"]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("nonesuch", f"there is no estimator 'nonesuch'; use one of {', '.join(estimator_names())}"),
        ("", "there is no estimator"),
        ("percentile:50", "not between 50 and 100"),
        ("percentile:100.1", "not between 50 and 100"),
        ("percentile:-1", "not between 50 and 100"),
        ("percentile:nan", "not between 50 and 100"),
        ("percentile:many", "does not take"),
        ("mse:3", "does not take"),
    ],
)
def test_invalid_specifications_are_refused(spec, words):
    with pytest.raises(OptionError, match=words):
        estimator(spec)
