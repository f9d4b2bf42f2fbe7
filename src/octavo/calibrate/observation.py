"""How a batch comes to the observers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from octavo.data import Batch
from octavo.ranges import Observer


class Observation(Protocol):
    """A loaded model, and the tensors of it that are observed.

    Attributes:
        fixed_batch: the batch size that the model insists on, or None.
    """

    fixed_batch: int | None

    def start(self, observers: Mapping[str, Observer]) -> None:
        """From here on show the tensors to these observers, which nobody else may touch but after `settle`."""

    def observe(self, batch: Batch) -> None:
        """Run a batch and show it to the observers.

        Raises:
            DataError: the model cannot run on it.
        """

    def settle(self) -> None:
        """Bring the observers up to date; no batch may be under way."""

    def nbytes(self, batch: Batch) -> int:
        """What the observed tensors of a batch take together in float32; before `start`."""
