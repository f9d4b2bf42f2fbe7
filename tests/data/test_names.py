"""Matching of arrays to inputs."""

from __future__ import annotations

import pytest
from tests.helpers.sample_data import refusal, spec

from octavo.data.names import match_names
from octavo.errors import DataError

IMAGE = spec("image", ("N", 3, 8, 8))
IDS, MASK = spec("ids", ("N", "T")), spec("mask", ("N", "T"))


@pytest.mark.parametrize(
    ("ranks", "expected"),
    [
        ({"image": 4}, "image"),
        ({"Image": 4}, "Image"),
        ({"arr_0": 4}, "arr_0"),
        ({"arr_0": 3}, "arr_0"),
        ({"pixels": 4, "labels": 1, "groups": 1}, "pixels"),
        ({"pixels": 4, "target": 2}, "pixels"),
        ({"labels": 4, "pixels": 4}, "pixels"),
        ({"pixels": 4, "image": 4}, "image"),
    ],
)
def test_one_input_gets_the_only_candidate_array(ranks: dict[str, int], expected: str) -> None:
    assert match_names(list(ranks), [IMAGE], "calib.npz", ranks) == {expected: "image"}


def test_several_inputs_need_arrays_of_exactly_their_names() -> None:
    ranks = {"mask": 2, "labels": 1, "ids": 2}
    assert match_names(list(ranks), [IDS, MASK], "calib.npz", ranks) == {"ids": "ids", "mask": "mask"}


@pytest.mark.parametrize(
    ("ranks", "several", "missing"),
    [
        ({"one": 4, "two": 4}, False, "image"),
        ({"one": 3, "two": 2}, False, "image"),
        ({}, False, "image"),
        ({"IDS": 2, "mask": 2}, True, "ids"),
        ({"ids": 2}, True, "mask"),
    ],
)
def test_ambiguity_is_refused_and_both_sides_are_listed(ranks: dict[str, int], several: bool, missing: str) -> None:
    specs = [IDS, MASK] if several else [IMAGE]
    message = refusal(lambda: match_names(list(ranks), specs, "calib.npz", ranks), DataError, "calib.npz", missing)
    for name in (*ranks, *(input_spec.name for input_spec in specs)):
        assert f"'{name}'" in message
