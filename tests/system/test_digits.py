"""Digits that follow the scale of a figure."""

from __future__ import annotations

import pytest

from octavo.system.digits import decimals, fixed
from octavo.system.numbers import rounded_up


@pytest.mark.parametrize(
    ("reach", "unit", "places"),
    [((0.003,), "", 4), ((-0.00012, 0.0004), "", 5), ((12.0,), "points", 2), ((12.0,), "", 0), ((0.5, None), "dB", 2),
     ((0.004,), "points", 4), ((0.0,), "", 2), ((float("nan"), None), "points", 2)],
)  # fmt: skip
def test_two_digits_of_the_largest_number_are_shown(reach: tuple[float, ...], unit: str, places: int) -> None:
    assert decimals(reach, unit) == places


def test_numbers_have_no_negative_zero_and_an_exponent_where_they_are_very_small() -> None:
    assert fixed(-0.0001, 2) == "0.00"
    assert fixed(0.0034, 4, sign=True) == "+0.0034"
    assert fixed(1.234e-12, 13) == "1.23e-12"


def test_counts_are_rounded_up() -> None:
    assert [rounded_up(count) for count in (7, 84, 841, 38_411)] == ["7", "84", "850", "39,000"]
