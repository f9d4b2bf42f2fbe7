"""Fitting a metric to the outputs: which one it reads, and in which form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.outputs import class_scores

from octavo.errors import DataError, OptionError
from octavo.measure.fit import fit
from octavo.measure.metrics import metric

Array = NDArray[Any]
RNG = np.random.default_rng(0)
FLOATS: dict[str, Array] = {
    "boxes": RNG.normal(size=(30, 4)),
    "scores": class_scores(30, 10),
    "mask": RNG.uniform(size=(30, 1, 6, 6)),
}


def chosen(name: str | None, reference: dict[str, Array], highest: int = 0, output: str = "") -> str:
    wanted = None if name is None else replace(metric(name), output=output)
    return fit(wanted, FLOATS, reference, {}, highest).output


@pytest.mark.parametrize("name", ["top1", "top5", None])
def test_the_labels_tell_the_output(name: str | None) -> None:
    assert chosen(name, {"labels": np.arange(30) % 10}) == "scores"
    # The highest label may be of a sample that is not among the first.
    assert chosen(name, {"labels": np.arange(30) % 3}, highest=9) == "scores"
    if name != "top5":
        assert chosen(name, {"labels": RNG.integers(0, 2, (30, 6, 6))}) == "mask"


def test_the_reference_of_that_name_tells_the_output() -> None:
    assert chosen("mse", {"mask": FLOATS["mask"]}) == "mask"
    assert chosen("mse", {"target": FLOATS["boxes"]}) == "boxes"


def test_a_named_output_is_judged() -> None:
    assert chosen("mse", {}, output="scores") == "scores"
    measure = fit(replace(metric("mse"), output="scores"), FLOATS, {}, {})
    assert measure.per_sample is not None
    changed = {**FLOATS, "boxes": 9 * FLOATS["boxes"]}
    assert measure.per_sample(changed, {}, FLOATS).tolist() == [0] * 30
    psnr = fit(replace(metric("psnr"), output="scores"), FLOATS, {}, {})
    assert psnr.score is not None
    assert psnr.score(changed, {}, FLOATS) == 100


def test_an_unknown_output_is_refused() -> None:
    for name in ("mse", "agreement", "psnr"):
        with pytest.raises(DataError, match="the model has no output 'y'; it has boxes, scores, mask"):
            chosen(name, {}, output="y")


def test_labels_that_fit_no_output_are_refused() -> None:
    with pytest.raises(OptionError, match="`metric`"):
        chosen(None, {"labels": RNG.integers(0, 2, (30, 7))})


@pytest.mark.parametrize(("producer", "spread", "limit"), [("Sigmoid", 1, 0.5), ("", 1, 0.5), ("", 4, 0.0)])
def test_the_threshold_of_single_scores_is_that_of_all_samples(producer: str, spread: float, limit: float) -> None:
    scores = (RNG.uniform(size=(30, 1)) - (spread > 1) * 0.5) * spread
    labels = (scores[:, 0] > limit).astype(np.int64)
    found = fit(None, {"y": scores}, {"labels": labels}, {"y": producer})
    assert found.figure == f"decisions at {limit:g}"
    assert found.per_sample is not None
    for row in range(30):
        one = {"y": scores[row : row + 1]}
        assert found.per_sample(one, {"labels": labels[row : row + 1]}, one).tolist() == [100]
