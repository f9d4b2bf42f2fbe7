"""What collects the range of one tensor while samples pass."""

from __future__ import annotations

from typing import Any, Protocol, Self

from numpy.typing import NDArray


class Observer(Protocol):
    """Sees every value of a tensor, batch by batch, and keeps what its estimator needs."""

    def update(self, array: NDArray[Any], *, rows: int = 1, stride: int = 1) -> None:
        """Take in a batch.

        Where only the shape of a distribution matters, every `stride`-th value of each of `rows` equal parts may stand
        for the whole.
        """

    def to_bytes(self) -> bytes:
        """The state, for a checkpoint; equal states give equal bytes."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The observer that `to_bytes` wrote.

        Raises:
            ValueError: the bytes are not such a state.
        """
