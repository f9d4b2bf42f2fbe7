"""Whether samples can judge a budget, asked before the climb."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.fake_engines import Fake

from octavo.data import open_samples
from octavo.measure import Evaluation
from octavo.measure.metrics import metric
from octavo.measure.metrics.custom import custom
from octavo.pipeline.doubt import budget_doubt
from octavo.pipeline.options import Budget, resolve_options

SAMPLES = 60


def doubt(name: str, budget: float) -> str | None:
    options = resolve_options(
        "octavo", None, Budget(), evaluated=True, weight_bits=None, activation_bits=None, block_size=None, exclude=(),
        estimator=None, seed=0, preprocess=None, limit=None, batch_size=None, threads=1, checkpoint=None, progress=None,
        verify=False,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(SAMPLES, 4)).astype(np.float32), np.arange(SAMPLES) % 4
    x[np.arange(SAMPLES), labels] += 3
    engine = Fake(lambda x: x, "N", 4)
    data = {"x": x, "labels": labels, "target": x + 1}
    own = custom(lambda outputs, reference: float((outputs["y"].argmax(1) == reference["labels"]).mean()), "own")
    measure = own if name == "own" else metric(name)
    return budget_doubt(options, Evaluation(open_samples(data, engine.inputs), measure), engine, budget, 2 / 3)


@pytest.mark.parametrize(("name", "unit"), [("top1", 1.0), ("own", 0.01)])
def test_few_samples_cannot_judge_a_small_budget(name: str, unit: str) -> None:
    """120 judging samples, none of which differs, leave 3.1 points open."""
    found = doubt(name, 1.0 * unit)
    assert found is not None
    assert "about 120 judge" in found
    assert "held-out samples can" in found
    assert doubt(name, 4.0 * unit) is None


def test_no_number_of_samples_can_judge_a_budget_of_nothing() -> None:
    found = doubt("top1", 0.0)
    assert found is not None
    assert "no number of samples can" in found


@pytest.mark.parametrize("name", ["mse", "cosine", "psnr"])
def test_metrics_to_which_every_sample_adds_are_not_doubted(name: str) -> None:
    assert doubt(name, 0.01) is None
