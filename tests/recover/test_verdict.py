"""The verdict: a budget compared with the interval of the drop."""

from __future__ import annotations

import pytest
from tests.helpers.jobs import metric

from octavo.measure import OutputFigure
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


def test_without_any_difference_the_width_falls_as_the_number_of_samples() -> None:
    none = metric(drop=0.0, ci95=(-16.11, 16.11), groups=20, samples=20, agreement=1.0)
    # Wilson's bound of 235 samples is 1.61%.
    assert judge(none, 1.61).needed == pytest.approx(235, abs=1)


@pytest.mark.parametrize(("ends", "drop"), [((-5.64, -0.55), -3.0), ((0.55, 5.64), 3.0)])
def test_a_model_that_differs_beyond_its_interval_has_changed(ends: tuple[float, float], drop: float) -> None:
    found = judge(metric(drop=drop, ci95=ends, agreement=0.91), 10.0)
    assert found.changed
    assert found.kind == "met"
    assert "the model has changed beyond chance, 9.0% of its decisions differ from float" in found.sentence
    assert not judge(metric(drop=0.5, ci95=(-0.1, 1.1), agreement=0.91), 10.0).changed


def test_digits_follow_the_scale_of_the_metric() -> None:
    small = metric(name="loss", unit="", drop=0.00012, ci95=(-0.0001, 0.00034), float_value=0.003)
    assert "loss drops by 0.00012 (95% interval -0.00010 to +0.00034)" in judge(small, 0.001).sentence


def test_the_sentence_names_the_worst_of_several_outputs() -> None:
    outputs = tuple(
        OutputFigure(name, "", "", "", 99.0, sqnr, 1.0, sqnr, 0) for name, sqnr in (("a", 38.7), ("b", 0.6))
    )
    assert "lowest SQNR" not in judge(metric(outputs=outputs[:1]), 1.0).sentence
    sentence = judge(metric(outputs=outputs, output="output 'a'"), 1.0).sentence
    assert "top1 of output 'a' drops by" in sentence
    assert sentence.endswith("; lowest SQNR: output 'b', 0.6 dB")
