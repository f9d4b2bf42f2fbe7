"""Contract of every registered metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo import evaluation
from octavo.measure.metrics import Metric, metric, metric_names

Array = NDArray[Any]
ROWS = 40
RNG = np.random.default_rng(0)
# Opposite scores of two classes, so that the last column alone also separates the classes.
FLOATS = RNG.normal(size=(ROWS, 1)).astype(np.float32) * np.float32([-1, 1])
NOISY = FLOATS + RNG.normal(size=FLOATS.shape).astype(np.float32)
# Class labels, and the reference of regression under the name of the output.
REFERENCE = {"labels": FLOATS.argmax(1), "y": FLOATS}


@pytest.fixture(params=metric_names())
def registered(request: pytest.FixtureRequest) -> Metric:
    return metric(request.param)


def value(registered: Metric, outputs: Array, rows: Any = slice(None)) -> float:
    """The metric of the outputs on the selected rows."""
    arguments = {"y": outputs[rows]}, {n: a[rows] for n, a in REFERENCE.items()}, {"y": FLOATS[rows]}
    if registered.per_sample is not None:
        return float(registered.per_sample(*arguments).mean())
    assert registered.score is not None
    return registered.score(*arguments)


def test_the_name_is_the_registered_one() -> None:
    assert [metric(name).name for name in metric_names()] == metric_names()


def test_it_has_one_function_and_a_known_unit(registered: Metric) -> None:
    assert (registered.per_sample is None) != (registered.score is None)
    assert registered.unit in ("points", "dB", "")


def test_samples_have_one_finite_number_each(registered: Metric) -> None:
    if registered.per_sample is None:
        assert np.isfinite(value(registered, NOISY))
        return
    numbers = registered.per_sample({"y": NOISY}, REFERENCE, {"y": FLOATS})
    assert (numbers.shape, numbers.dtype) == ((ROWS,), np.float64)
    assert np.isfinite(numbers).all()


def test_the_order_of_the_samples_has_no_effect(registered: Metric) -> None:
    rows = RNG.permutation(ROWS)
    assert value(registered, NOISY, rows) == pytest.approx(value(registered, NOISY), rel=1e-12)


def test_the_reference_itself_scores_better_than_noise(registered: Metric) -> None:
    exact, noisy = value(registered, FLOATS), value(registered, NOISY)
    if registered.name == "top5":  # always 100%: there are only two classes
        assert exact == noisy == 100.0
    else:
        assert exact < noisy if registered.lower_is_better else exact > noisy


def test_arguments_are_not_changed(registered: Metric) -> None:
    before = NOISY.copy(), FLOATS.copy(), REFERENCE["labels"].copy()
    value(registered, NOISY)
    for array, copy in zip((NOISY, FLOATS, REFERENCE["labels"]), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@pytest.mark.parametrize("name", metric_names())
def test_the_evaluation_module_has_a_function_of_that_name(name: str) -> None:
    constructor = getattr(evaluation, name)
    assert name in dir(evaluation)
    assert constructor.__doc__
    assert constructor("eval.npz").data == "eval.npz"
    assert constructor("eval.npz").metric.name == name


def test_an_unknown_evaluation_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'top2'; it has Evaluation, agreement, "):
        _ = evaluation.top2
