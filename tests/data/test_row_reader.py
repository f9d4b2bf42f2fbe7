"""Reading stored arrays row by row, with valid and hostile headers."""

from __future__ import annotations

import io
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.helpers.sample_data import VALUES, headed, raw_header, read_or_refused, refusal, stored

from octavo.data.row_reader import RowReader
from octavo.errors import DataError

_NUMBERS = hnp.boolean_dtypes() | hnp.integer_dtypes() | hnp.unsigned_integer_dtypes() | hnp.floating_dtypes()


def _reader(content: bytes) -> RowReader:
    return RowReader(io.BytesIO(content), "calib.npy")


def _read(content: bytes) -> None:
    reader = _reader(content)
    if reader.shape:
        reader.read(reader.shape[0])


@given(
    hnp.arrays(_NUMBERS, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)),
    st.sampled_from("CF"),
    st.sampled_from([(1, 0), (2, 0), (3, 0)]),
    st.lists(st.integers(1, 4), min_size=6, max_size=6),
)
def test_rows_equal_those_of_numpy(array: np.ndarray, order: Any, version: tuple[int, int], counts: list[int]) -> None:
    content = stored(np.asarray(array, order=order), version)
    expected, reader, position = np.load(io.BytesIO(content)), _reader(content), 0
    assert reader.shape == expected.shape
    for count in counts:
        rows = reader.read(count)
        assert rows.dtype == expected.dtype
        np.testing.assert_array_equal(rows, expected[position : position + count])
        position += count


@pytest.mark.parametrize(
    "content",
    [
        headed("<f4", (10**9, 3)),
        headed("<f4", (4, 10**12)),
        headed("<f4", (10**10, 3), fortran=True),
        headed("<f4", (2**40, 2**40), fortran=True),
        headed("<f4", (2**32, 2**32)),
        headed("<f4", (2**62, 3)),
        headed("<f4", (4, 2**63)),
        headed("<f4", (4, 0, 2**70)),
        headed("<f4", (-4, 3)),
        headed("<f4", (4, -3)),
        headed("<f4", (1,) * 100),
        headed("<f4", "many"),
        headed("|S0", (4, 3)),
        headed("|V0", (4, 3)),
        headed("zzz", (4, 3)),
        raw_header(b"{'descr': __import__('os')"),
        raw_header(b"(" * 9000),
        raw_header(b"-" * 8999 + b"1"),
        raw_header(b"\0" * 50),
        raw_header(b"[" + b"1," * 20000 + b"]"),
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + b"x" * 100,
        b"\x93NUMPY\x07\x00" + stored(VALUES)[8:],
        b"\x93NU",
        b"PK\x03\x04 a zip archive",
        b"",
    ],
    ids=lambda content: repr(content[8:70]),
)
def test_a_hostile_header_is_refused_and_allocates_no_memory(content: bytes) -> None:
    tracemalloc.start()
    try:
        refusal(lambda: _read(content), DataError, "calib.npy")
        assert tracemalloc.get_traced_memory()[1] < 1 << 25
    finally:
        tracemalloc.stop()


def test_the_message_of_a_truncated_file_states_its_size() -> None:
    message = refusal(lambda: _read(stored(VALUES)[:-5]), DataError, "calib.npy", "is truncated")
    assert f"{VALUES.nbytes - 5} of {VALUES.nbytes} bytes" in message


def test_rows_before_the_damage_are_read() -> None:
    reader = _reader(stored(VALUES)[:-5])
    np.testing.assert_array_equal(reader.read(len(VALUES) - 1), VALUES[:-1])
    refusal(lambda: reader.read(1), DataError, "is truncated")


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(stored(VALUES)) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(stored(VALUES))),
    st.booleans(),
)
def test_damage_anywhere_is_read_or_refused(changes: list[tuple[int, int]], length: int, truncated: bool) -> None:
    content = bytearray(stored(VALUES))
    for place, value in changes:
        content[place] = value
    with read_or_refused():
        _read(bytes(content[:length] if truncated else content))
