"""Metrics by name, and the default metric."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.errors import OptionError
from octavo.measure.metrics import default_metric, metric, metric_names


def test_the_message_of_an_unknown_name_lists_the_known_ones() -> None:
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
def test_the_default_is_top1_with_integer_labels_and_agreement_without(
    reference: dict[str, np.ndarray], name: str
) -> None:
    assert default_metric(reference).name == name


@pytest.mark.parametrize("labels", [np.ones(3), np.zeros((3, 2), int), np.ones(3, bool)])
def test_non_class_labels_have_no_default_metric(labels: np.ndarray) -> None:
    with pytest.raises(OptionError, match="`metric`"):
        default_metric({"labels": labels})


@pytest.mark.parametrize("output", ["boxes", "StatefulPartitionedCall:1", "head/out:0", "json"])
def test_a_metric_may_be_of_one_output(output: str) -> None:
    found = metric(f"{output}:top1")
    assert (found.name, found.output) == ("top1", output)


def test_labels_of_each_position_have_a_default_with_their_output() -> None:
    labels = np.zeros((3, 4), int)
    assert default_metric({"labels": labels}, {"y": np.zeros((3, 5, 4))}).name == "top1"
    with pytest.raises(OptionError, match="`metric`"):
        default_metric({"labels": labels}, {"y": np.zeros((3, 5, 6))})
