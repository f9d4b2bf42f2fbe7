"""Grids: bounds, names and the symmetric part."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.affine import GRIDS, INT4, INT8, UINT4, UINT8, Grid, grid
from octavo.errors import OptionError


@pytest.mark.parametrize("name", ["int8", "uint8", "int16", "uint16", "int32"])
def test_full_grids_are_numpy_types(name: str) -> None:
    info = np.iinfo(name)
    assert (GRIDS[name].qmin, GRIDS[name].qmax) == (info.min, info.max)
    assert GRIDS[name].numpy_dtype == np.dtype(name)
    assert grid(name) == GRIDS[name]


def test_four_bit_grids_are_stored_in_bytes() -> None:
    assert (INT4.qmin, INT4.qmax, INT4.numpy_dtype) == (-8, 7, np.dtype(np.int8))
    assert (UINT4.qmin, UINT4.qmax, UINT4.numpy_dtype) == (0, 15, np.dtype(np.uint8))
    assert INT4.levels == UINT4.levels == 16


def test_narrow_and_middle() -> None:
    assert INT8.narrow() == Grid("int8", -127, 127)
    assert UINT8.narrow() == UINT8
    assert (INT8.middle, UINT8.middle, UINT4.middle) == (0, 128, 8)


@pytest.mark.parametrize("name", ["int8", "int8[-127,127]", "uint8[0,127]", "uint4"])
def test_text_round_trips(name: str) -> None:
    assert str(Grid.parse(name)) == name


def test_text_of_the_full_bounds_is_the_name() -> None:
    assert str(Grid.parse(" int8[-128, 127] ")) == "int8"


@pytest.mark.parametrize("text", ["int7", "float32", "int8[1]", "int8[0,300]", "int8[5,5]", "uint8[-1,3]"])
def test_invalid_grids_are_refused(text: str) -> None:
    with pytest.raises(OptionError):
        Grid.parse(text)
