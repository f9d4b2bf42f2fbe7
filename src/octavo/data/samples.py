"""Batches, and the interface of a source of samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError

Arrays = dict[str, NDArray[Any]]


@dataclass
class Batch:
    """Consecutive samples: `inputs` by model input, `reference` the other arrays; axis 0 counts samples."""

    inputs: Arrays
    reference: Arrays
    start: int

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(next(iter(self.inputs.values())))


class Source(Protocol):
    """Samples before they are checked against the model.

    Attributes:
        one_pass: whether the samples can be read only once.
    """

    one_pass: bool

    @property
    def length(self) -> int | None:
        """Number of samples, or None where only a pass can count them."""

    def read(self, batch_size: int) -> Iterator[Batch]:
        """Yield the samples from the first on; at most `batch_size` per batch where the source defines no batches."""

    def reference(self) -> Arrays:
        """The arrays that are not model inputs, complete."""

    def sha256(self) -> str:
        """SHA-256 of the stored samples in hexadecimal; empty where it is known only after a pass."""


def as_array(value: Any, name: str) -> NDArray[Any]:
    """Convert an array-like to NumPy; accepts PyTorch tensors without importing PyTorch.

    Raises:
        DataError: the value is not an array of numbers; the message calls it `name`.
    """
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name} cannot be read as an array ({reason}); give NumPy arrays of numbers") from None
    if array.dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are unsupported; give numbers")
    return array


def concatenate(parts: list[Arrays]) -> Arrays:
    """Concatenate batches of named arrays along axis 0."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
