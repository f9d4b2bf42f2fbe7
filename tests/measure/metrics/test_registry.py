"""Metrics by name, and the one that is chosen where none is stated."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.errors import OptionError
from octavo.measure.metrics import default_metric, metric, metric_names


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(
        OptionError, match=f"no metric 'top2'; use one of {', '.join(metric_names())}, or module:function"
    ):
        metric("top2")


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ({}, "agreement"),
        ({"groups": np.arange(3), "target": np.ones(3)}, "agreement"),
        ({"labels": np.arange(3, dtype=np.uint8)}, "top1"),
        ({"labels": np.zeros((3, 1), np.int64)}, "top1"),
    ],
)
def test_integer_labels_mean_top1_and_none_agreement(reference: dict[str, np.ndarray], name: str) -> None:
    assert default_metric(reference).name == name


@pytest.mark.parametrize("labels", [np.ones(3), np.zeros((3, 2), int), np.ones(3, bool)])
def test_labels_that_are_not_classes_need_a_stated_metric(labels: np.ndarray) -> None:
    with pytest.raises(OptionError, match="`metric`"):
        default_metric({"labels": labels})
