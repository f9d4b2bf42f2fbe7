"""Random inputs for timing match the model's inputs."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.models import PATTERNS, run

from octavo.errors import OptionError
from octavo.graph import TensorSpec, input_specs
from octavo.measure.feeds import random_feeds


def specs(*shapes: tuple[int | str | None, ...], dtype: type = np.float32) -> list[TensorSpec]:
    return [TensorSpec(f"x{i}", np.dtype(dtype), shape) for i, shape in enumerate(shapes)]


@pytest.mark.parametrize("pattern", ["conv_relu", "embedding", "if_subgraph", "attention", "mlp"])
def test_models_run_on_them(pattern: str) -> None:
    model = PATTERNS[pattern]()
    feeds = random_feeds(input_specs(ir.from_proto(model)), 3)
    assert all(np.isfinite(y).all() for y in run(model, feeds).values() if y.dtype.kind == "f")


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int8, np.uint8, np.int32, np.int64, np.bool_])
def test_types_are_those_of_the_inputs(dtype: type) -> None:
    (array,) = random_feeds(specs((1, 9), dtype=dtype), 1).values()
    assert array.dtype == dtype
    if array.dtype.kind == "f":
        assert len(set(array.ravel().tolist())) > 1
    else:
        assert (array == 1).all()


def test_fixed_dimensions_stay_and_others_are_filled() -> None:
    inputs = specs((2, 3), ("N", "length", 8), (None, None, "length"), (5, "N"))
    shapes = [array.shape for array in random_feeds(inputs, 4, {"length": 16}).values()]
    assert shapes == [(2, 3), (4, 16, 8), (4, 128, 16), (5, 128)]
    named = [array.shape for array in random_feeds(inputs, 4, {"N": 7}).values()]
    assert named == [(2, 3), (7, 128, 8), (4, 128, 128), (5, 7)]


def test_they_depend_only_on_the_seed() -> None:
    first, repeated, other = (random_feeds(specs((8,)), 1, seed=seed)["x0"] for seed in (1, 1, 2))
    assert first.tolist() == repeated.tolist() != other.tolist()


def test_an_unknown_dimension_is_named() -> None:
    with pytest.raises(OptionError, match="no dynamic dimension 'lenght'; it has N, length"):
        random_feeds(specs(("N", "length")), 1, {"lenght": 3})
    with pytest.raises(OptionError, match="it has none"):
        random_feeds(specs((1, 2)), 1, {"N": 3})
