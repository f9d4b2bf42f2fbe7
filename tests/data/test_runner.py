"""Running samples through an engine with a dynamic or a fixed batch size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from tests.helpers.models import Arrays, Shape, conv_clip, feeds, run
from tests.helpers.sample_data import LABELS, ROWS, VALUES, opened, spec

from octavo.data import SampleSet, choose_batch, concatenate, run_batches
from octavo.engines.onnxruntime import Session
from octavo.graph.spec import TensorSpec


class Doubler:
    """An engine that doubles its input and records the batch sizes of its runs."""

    def __init__(self, *shapes: Shape) -> None:
        self.inputs: tuple[TensorSpec, ...] = tuple(spec(f"x{i}", shape) for i, shape in enumerate(shapes))
        self.outputs: tuple[TensorSpec, ...] = ()
        self.sizes: list[int] = []

    def run(self, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
        x = arrays["x0"]
        self.sizes.append(len(x))
        return {"y": x * 2, "weights": np.ones(6), "count": np.array(len(x))}


def _samples(engine: Doubler, as_items: bool) -> SampleSet:
    source: Any = [(VALUES[:5], LABELS[:5]), (VALUES[5:], LABELS[5:])] if as_items else VALUES
    return opened(source, engine.inputs)


@pytest.mark.parametrize("as_items", [False, True])
@pytest.mark.parametrize(
    ("leading", "batch_size", "sizes"),
    [
        (None, 3, ([3, 3, 1], [5, 2])),
        ("N", None, ([7], [5, 2])),
        (1, 3, ([1] * 7, [1] * 7)),
        (2, None, ([2, 2, 2, 2], [2, 2, 2, 2])),
        (5, 2, ([5, 5], [5, 5])),
        (9, 2, ([9], [9, 9])),
    ],
)
def test_outputs_exclude_padding(
    leading: int | str | None, batch_size: int | None, sizes: tuple[list[int], list[int]], as_items: bool
) -> None:
    engine = Doubler((leading, 3))
    results = list(run_batches(engine, _samples(engine, as_items), batch_size))
    np.testing.assert_array_equal(np.concatenate([outputs["y"] for _, outputs in results]), VALUES * 2)
    np.testing.assert_array_equal(concatenate([batch.inputs for batch, _ in results])["x0"], VALUES)
    assert all(len(outputs["y"]) == batch.size for batch, outputs in results)
    assert [batch.start for batch, _ in results] == [0, *np.cumsum([batch.size for batch, _ in results])[:-1]]
    assert engine.sizes == sizes[as_items]
    if as_items:
        np.testing.assert_array_equal(concatenate([batch.reference for batch, _ in results])["labels"], LABELS)


def test_outputs_without_a_sample_axis_are_unchanged() -> None:
    engine = Doubler((4, 3))
    results = [outputs for _, outputs in run_batches(engine, _samples(engine, False))]
    assert [outputs["count"] for outputs in results] == [4, 4]
    assert all(outputs["weights"].shape == (6,) for outputs in results)


@pytest.mark.parametrize(
    ("shapes", "requested", "expected"),
    [
        ([("N", 3)], 8, 8),
        ([("N", 3)], None, 32),
        ([(4, 3)], 8, 4),
        ([("N", 3), (4, 3)], None, 4),
        ([(), (None, 3)], 8, 8),
    ],
)
def test_the_batch_size_of_the_model_overrides_the_requested_one(
    shapes: list[Shape], requested: int | None, expected: int
) -> None:
    assert choose_batch(Doubler(*shapes), requested) == expected


def test_a_model_of_fixed_batch_equals_the_same_model_one_sample_at_a_time() -> None:
    model = conv_clip()
    images = np.concatenate([feeds(model, seed)["x"] for seed in range(ROWS)])
    session = Session(ir.from_proto(model), threads=1, optimize=False)
    outputs = [result["y"] for _, result in run_batches(session, opened(images, session.inputs), 4)]
    expected = [run(model, {"x": images[i : i + 1]})["y"] for i in range(ROWS)]
    np.testing.assert_array_equal(np.concatenate(outputs), np.concatenate(expected))
