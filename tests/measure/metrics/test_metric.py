"""The labels and outputs that metrics read."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.errors import DataError
from octavo.measure.metrics import metric


@pytest.mark.parametrize("name", ["top1", "top5", "auc"])
def test_missing_labels_are_an_error(name: str) -> None:
    measure = metric(name)
    function = measure.per_sample or measure.score
    assert function is not None
    with pytest.raises(DataError, match=f"metric {name} needs an array named 'labels' in the evaluation data"):
        function({"y": np.zeros((2, 6))}, {"groups": np.arange(2)}, {})


@pytest.mark.parametrize("name", ["top1", "auc", "mse", "agreement"])
def test_the_first_of_several_outputs_is_evaluated(name: str) -> None:
    measure = metric(name)
    function = measure.per_sample or measure.score
    assert function is not None
    rng = np.random.default_rng(0)
    first, second, floats = rng.normal(size=(3, 20, 2))
    reference = {"labels": np.arange(20) % 2} if name != "mse" else {"target": floats}
    of_one = function({"a": first}, reference, {"a": floats})
    of_two = function({"a": first, "b": second}, reference, {"a": floats, "b": second})
    np.testing.assert_array_equal(of_one, of_two)
