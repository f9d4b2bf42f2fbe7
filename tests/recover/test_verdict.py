"""The verdict: a budget compared with the interval of the drop."""

from __future__ import annotations

import pytest
from tests.helpers.jobs import metric

from octavo.recover import judge


@pytest.mark.parametrize(
    ("ends", "kind"),
    [((-0.2, 0.5), "met"), ((0.51, 1.0), "not met"), ((0.1, 0.6), "cannot tell"), (None, "cannot tell")],
)
def test_the_verdict_follows_from_the_whole_interval(ends: tuple[float, float] | None, kind: str) -> None:
    verdict = judge(metric(drop=0.25, ci95=ends), 0.5)
    assert verdict.kind == kind
    assert kind in verdict.sentence
    assert (verdict.needed is not None) == (kind == "cannot tell" and ends is not None)


def test_the_needed_samples_follow_from_the_width_of_the_interval() -> None:
    """Half the distance to the budget needs four times as many samples."""
    near, far = (judge(metric(drop=drop, ci95=(drop - 1, drop + 1), groups=400), 1.0) for drop in (0.75, 0.5))
    assert (near.needed, far.needed) == (6_400, 1_600)
    assert "cannot tell with 400 samples; about 6,400 are needed" in near.sentence
    assert judge(metric(drop=1.0, ci95=(0.0, 2.0)), 1.0).needed is None
