"""Which samples belong together, and how they are drawn together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import DataError

Ints = NDArray[np.int64]


class Groups:
    """Samples by group, groups in order of first appearance.

    Attributes:
        index: the group of each sample, int64.
        count: how many groups there are.
        kind: "groups", or "samples" when each stands alone.

    Raises:
        DataError: there is not one group a sample.
    """

    def __init__(self, groups: NDArray[Any] | None, samples: int) -> None:
        self.kind = "samples" if groups is None else "groups"
        if groups is None:
            self.index, self.count = np.arange(samples), samples
            return
        if groups.size != samples:
            raise DataError(
                f"array 'groups' has shape {list(groups.shape)} for {samples} samples; give one number each"
            )
        _, first, inverse = np.unique(groups.reshape(-1), return_index=True, return_inverse=True)
        rank = np.empty(len(first), np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(len(first))
        self.index, self.count = rank[inverse], len(first)

    def resample(self, rng: np.random.Generator) -> tuple[Ints, Ints]:
        """Rows of as many groups drawn with replacement, and fresh group ids for them.

        Where all groups are of one size, each row of the original order is replaced by the same
        member of the group drawn in its group's place, so that a metric that pairs rows by their
        position still finds its pairs. Otherwise the drawn groups follow each other.
        """
        drawn = rng.integers(0, self.count, self.count)
        order = np.argsort(self.index, kind="stable")
        sizes = np.bincount(self.index, minlength=self.count)
        if (sizes == sizes[0]).all():
            members = order.reshape(self.count, -1)
            member = np.empty(len(order), np.int64)
            member[members] = np.arange(members.shape[1])
            return members[drawn[self.index], member], self.index
        starts = np.cumsum(sizes) - sizes
        rows = [order[starts[group] : starts[group] + sizes[group]] for group in drawn]
        return np.concatenate(rows), np.repeat(np.arange(self.count), sizes[drawn])

    def without(self, left_out: NDArray[np.bool_]) -> Ints:
        """The rows of all groups but those marked, in their order."""
        return np.flatnonzero(~left_out[self.index])
