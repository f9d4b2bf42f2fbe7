"""What a source of samples looks like to the rest of Octavo."""

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
    """Consecutive samples: `inputs` by model input, `reference` the other arrays, axis 0 counts samples."""

    inputs: Arrays
    reference: Arrays
    start: int

    @property
    def size(self) -> int:
        """How many samples the batch holds."""
        return len(next(iter(self.inputs.values())))


class Source(Protocol):
    """Where samples come from, before they are checked against the model."""

    one_pass: bool

    @property
    def length(self) -> int | None:
        """How many samples there are, or None when only a pass can tell."""

    def read(self, batch_size: int) -> Iterator[Batch]:
        """The samples from the first on, in batches of at most `batch_size` where the source can choose."""

    def reference(self) -> Arrays:
        """The arrays that are not model inputs, whole."""

    def sha256(self) -> str:
        """Digest of the stored samples, hexadecimal; empty when it is known only after a pass."""


def as_array(value: Any, name: str) -> NDArray[Any]:
    """A NumPy array of an array-like, a PyTorch tensor included, without importing PyTorch.

    Raises:
        DataError: it is none, or holds Python objects; the sentence calls it `name`.
    """
    try:
        array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{name} cannot be read as an array ({reason}); give NumPy arrays of numbers") from None
    if array.dtype.hasobject:
        raise DataError(f"{name} holds Python objects, which are not read; give numbers")
    return array


def concatenate(parts: list[Arrays]) -> Arrays:
    """Batches of named arrays joined along axis 0."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}
