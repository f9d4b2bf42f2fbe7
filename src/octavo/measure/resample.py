"""Groups of samples, and resampling by groups."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError

Ints = NDArray[np.int64]


class Groups:
    """Assignment of samples to groups, numbered by first appearance.

    Attributes:
        index: the group of each sample, int64.
        count: number of groups.
        kind: "groups", or "samples" where each sample is its own group.

    Raises:
        DataError: `groups` does not have one number per sample.
    """

    def __init__(self, groups: NDArray[Any] | None, samples: int) -> None:
        self.kind = "samples" if groups is None else "groups"
        if groups is None:
            self.index, self.count = np.arange(samples), samples
            return
        if groups.size != samples:
            raise DataError(
                f"array 'groups' has shape {list(groups.shape)} for {samples} samples; give one number per sample"
            )
        _, first, inverse = np.unique(groups.reshape(-1), return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(len(first))
        self.index, self.count = rank[inverse], len(first)

    @cached_property
    def _by_group(self) -> tuple[Ints, Ints]:
        """The rows in the order of their groups, and the size of each group."""
        return np.argsort(self.index, kind="stable"), np.bincount(self.index, minlength=self.count)

    @cached_property
    def _of_same_size(self) -> tuple[Ints, Ints] | None:
        """The rows of each group, (groups, size), and which of its group each row is; None if the sizes differ."""
        order, sizes = self._by_group
        if (sizes != sizes[0]).any():
            return None
        members = order.reshape(self.count, -1)
        member = np.empty(len(order), np.int64)
        member[members] = np.arange(members.shape[1])
        return members, member

    def resample(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Rows of `count` groups drawn with replacement, and new group ids for them.

        Where all groups have the same size, each row is replaced by the same member of the group drawn for its group,
        so that metrics that pair rows by position keep working. Otherwise the drawn groups are concatenated.
        """
        drawn = rng.integers(0, self.count, self.count)
        if self._of_same_size is not None:
            members, member = self._of_same_size
            return members[drawn[self.index], member], self.index
        order, sizes = self._by_group
        starts = np.cumsum(sizes) - sizes
        rows = [order[starts[group] : starts[group] + sizes[group]] for group in drawn]
        return np.concatenate(rows), np.repeat(np.arange(self.count), sizes[drawn])

    def without(self, left_out: NDArray[np.bool_]) -> Ints:
        """The rows of all groups except those in the mask `left_out`, in order."""
        return np.flatnonzero(~left_out[self.index])
