"""Sources and files for the data tests, and checks of error messages."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.typing import NDArray
from tests.helpers.models import Arrays

from octavo.data import SampleSet, open_samples
from octavo.errors import DataError, UserError
from octavo.graph.spec import TensorSpec

ROWS = 7
VALUES = np.random.default_rng(0).normal(size=(ROWS, 3)).astype(np.float32)
LABELS = np.arange(ROWS) % 3


def spec(name: str = "x", shape: Sequence[int | str | None] = ("N", 3), dtype: Any = np.float32) -> TensorSpec:
    """A model input."""
    return TensorSpec(name, np.dtype(dtype), tuple(shape))


X = (spec(),)


def opened(source: Any, specs: Sequence[TensorSpec] = X, **options: Any) -> SampleSet:
    """The samples of a source, opened with the specs."""
    return open_samples(source, specs, **options)


def inputs(samples: SampleSet, batch_size: int = 2) -> Arrays:
    """The inputs of all samples of a pass, concatenated."""
    parts = [batch.inputs for batch in samples.batches(batch_size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@contextmanager
def read_or_refused() -> Iterator[None]:
    """Damaged data may be read, with any warnings, or refused with a one-line message."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017 - both outcomes are allowed


def refusal(attempt: Callable[[], Any], kind: type[UserError], *parts: str) -> str:
    """The message of the error that the attempt raises: one sentence with what, where and what to do."""
    with pytest.raises(kind) as caught:
        attempt()
    message = str(caught.value)
    assert "\n" not in message
    assert ";" in message
    for part in parts:
        assert part in message
    return message


def stored(array: NDArray[Any], version: tuple[int, int] | None = None) -> bytes:
    """The array in .npy format."""
    stream = io.BytesIO()
    npy.write_array(stream, array, version=version, allow_pickle=True)
    return stream.getvalue()


def headed(descr: Any, shape: Any, fortran: bool = False) -> bytes:
    """A .npy header with this description of the data."""
    return raw_header(repr({"descr": descr, "fortran_order": fortran, "shape": shape}).encode())


def raw_header(text: bytes) -> bytes:
    """A .npy header with any text."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text + b"\n"


def archive(**members: bytes) -> bytes:
    """An uncompressed .npz; the members may be any bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()
