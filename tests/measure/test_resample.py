"""Resampling of whole groups of samples."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.errors import DataError
from octavo.measure.resample import Groups

IDS = st.lists(st.integers(-3, 5), min_size=1, max_size=30)


@given(IDS, st.integers(0, 100))
def test_every_drawn_group_is_complete_and_has_a_new_id(ids: list[int], seed: int) -> None:
    old_ids = np.array(ids)
    groups = Groups(old_ids, len(ids))
    rows, new_ids = groups.resample(np.random.default_rng(seed))
    assert len(rows) == len(new_ids)
    rows_by_id = {int(group): rows[new_ids == group] for group in new_ids}
    assert len(rows_by_id) == groups.count == len(set(ids))
    for members in rows_by_id.values():
        complete = np.flatnonzero(old_ids == old_ids[members[0]])
        assert sorted(members.tolist()) == complete.tolist()


@given(st.permutations([0, 0, 1, 1, 2, 2, 3, 3]), st.integers(0, 100))
def test_groups_of_equal_size_keep_their_positions(ids: list[int], seed: int) -> None:
    """The n-th row of a group is replaced by the n-th of the group drawn for it."""
    old_ids = np.array(ids)
    rows, new_ids = Groups(old_ids, 8).resample(np.random.default_rng(seed))
    member = [Counter(ids[:i])[ids[i]] for i in range(8)]
    assert [member[row] for row in rows] == member
    for group in range(4):
        assert len({ids[row] for row in rows[old_ids == group]}) == 1
        assert len(set(new_ids[old_ids == group].tolist())) == 1


def test_without_groups_samples_are_drawn_individually() -> None:
    groups = Groups(None, 5)
    assert (groups.kind, groups.count) == ("samples", 5)
    rows, new_ids = groups.resample(np.random.default_rng(0))
    assert new_ids.tolist() == [0, 1, 2, 3, 4]
    assert set(rows.tolist()) <= set(range(5))


def test_each_group_is_drawn_equally_often() -> None:
    groups, rng = Groups(np.array([7, 7, 7, 1, 3, 3]), 6), np.random.default_rng(0)
    counts = Counter(int(groups.index[row]) for _ in range(2000) for row in groups.resample(rng)[0])
    per_group = np.array([counts[0] / 3, counts[1], counts[2] / 2])
    # 6,000 draws with probability 1/3: 4 standard errors are 146.
    np.testing.assert_allclose(per_group, 2000, atol=150)


@given(IDS, st.data())
def test_rows_of_excluded_groups_are_removed(ids: list[int], data: st.DataObject) -> None:
    groups = Groups(np.array(ids), len(ids))
    left_out = np.array(data.draw(st.lists(st.booleans(), min_size=groups.count, max_size=groups.count)))
    order = list(dict.fromkeys(ids))
    excluded = {group for group, out in zip(order, left_out, strict=True) if out}
    assert groups.without(left_out).tolist() == [i for i, group in enumerate(ids) if group not in excluded]


def test_groups_may_have_names() -> None:
    groups = Groups(np.array(["b", "a", "b"]), 3)
    assert (groups.index.tolist(), groups.count, groups.kind) == ([0, 1, 0], 2, "groups")


def test_groups_need_one_id_per_sample() -> None:
    with pytest.raises(DataError, match=r"'groups' has shape \[4, 2\] for 4 samples"):
        Groups(np.zeros((4, 2)), 4)
