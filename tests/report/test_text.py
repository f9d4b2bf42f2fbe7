"""Formatted numbers: units, significant digits, no exponents, no negative zero."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.report.text import decibels, milliseconds, number_of, short, size, times

UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12}


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1, "1 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (1004, "1 kB"),
        (1234, "1.23 kB"),
        (559_123, "559 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (97_800_000, "97.8 MB"),
        (2_500_000_000, "2.5 GB"),
        (3_000_000_000_000_000, "3000 TB"),
    ],
)
def test_sizes_have_three_digits_and_a_unit(count: int, text: str) -> None:
    assert size(count) == text


@given(st.integers(0, 10**17))
def test_a_size_read_back_is_within_half_a_percent(count: int) -> None:
    number, unit = size(count).split()
    assert math.isclose(float(number) * UNITS[unit], count, rel_tol=0.00501)
    assert "e" not in number
    assert float(number) < 1000 or unit == "TB"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.05744, "0.0574 ms"), (1.0, "1 ms"), (22.84, "22.8 ms"), (999.6, "1000 ms"), (12345.6, "12346 ms")],
)
def test_latencies_have_three_significant_digits(value: float, text: str) -> None:
    assert milliseconds(value) == text


@given(st.floats(1e-3, 1e7))
def test_short_numbers_are_accurate_to_three_digits(value: float) -> None:
    assert math.isclose(float(short(value)), value, rel_tol=0.00501)
    assert "e" not in short(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (200.0, "exact"), (33.449, "33.4 dB"), (-8.7, "-8.7 dB"), (-0.04, "0.0 dB"), (199.94, "199.9 dB")],
)
def test_decibels(value: float | None, text: str) -> None:
    assert decibels(value) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (3.126, "3.13x faster"),
        (0.5, "2.00x slower"),
        (1.0, "the same"),
        (1.004, "the same"),
        (0.997, "the same"),
        (1.006, "1.01x faster"),
        (0.99, "1.01x slower"),
        (0.9946, "1.01x slower"),
    ],
)
def test_ratios_say_better_or_worse(ratio: float, text: str) -> None:
    assert times(ratio, "faster", "slower") == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers")])
def test_counts_and_plurals(count: int, text: str) -> None:
    assert number_of(count, "layer") == text
