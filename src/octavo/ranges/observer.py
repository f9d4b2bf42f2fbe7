"""The interface of an observer."""

from __future__ import annotations

from typing import Any, Protocol, Self

from numpy.typing import NDArray


class Observer(Protocol):
    """Accumulates statistics of one tensor, batch by batch, for an estimator."""

    @property
    def varies(self) -> bool:
        """Whether two different finite values were observed: otherwise nothing is known of the range."""

    def update(self, array: NDArray[Any], *, rows: int = 1, stride: int = 1) -> None:
        """Accumulate a batch.

        Histograms may count a subsample: every `stride`-th value of each of `rows` equal parts of the array.
        """

    def to_bytes(self) -> bytes:
        """Serialize the state; equal states give equal bytes."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Deserialize the result of `to_bytes`.

        Raises:
            ValueError: the bytes are not a valid state.
        """
