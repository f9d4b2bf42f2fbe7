"""The interface between batches and observers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from octavo.data import Batch
from octavo.ranges import Observer


class Observation(Protocol):
    """A loaded model with the tensors to observe.

    Attributes:
        fixed_batch: the batch size that the model requires, or None.
    """

    fixed_batch: int | None

    def start(self, observers: Mapping[str, Observer]) -> None:
        """Update these observers from now on; others may read them only after `settle`."""

    def observe(self, batch: Batch) -> None:
        """Run a batch and update the observers.

        Raises:
            DataError: the model cannot run on the batch.
        """

    def settle(self) -> None:
        """Complete the state of the observers; no batch may be running."""

    def nbytes(self, batch: Batch) -> int:
        """Size of the observed tensors of a batch in float32, in bytes; call before `start`."""
