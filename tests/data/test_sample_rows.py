"""Outputs with one row per sample, wherever a model puts its samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.helpers.models import Arrays, Shape

from octavo.data import Batch
from octavo.data.sample_rows import Place, RowRunner, find_places
from octavo.errors import DataError
from octavo.graph import TensorSpec

Array = NDArray[Any]
X = np.random.default_rng(0).normal(size=(10, 3, 4)).astype(np.float32)


class Layout:
    """An engine with one input and the outputs of functions of it, with declared shapes; records its runs."""

    def __init__(self, batch: int | str | None, **outputs: tuple[Callable[[Array], Array], Shape]) -> None:
        self.inputs: tuple[TensorSpec, ...] = (TensorSpec("x", np.dtype(np.float32), (batch, 3, 4)),)
        self.outputs = tuple(TensorSpec(name, np.dtype(np.float32), tuple(s)) for name, (_, s) in outputs.items())
        self._functions = {name: function for name, (function, _) in outputs.items()}
        self.sizes: list[int] = []

    def run(self, feeds: Mapping[str, Array]) -> Arrays:
        self.sizes.append(len(feeds["x"]))
        batch = self.inputs[0].shape[0]
        assert not isinstance(batch, int) or len(feeds["x"]) == batch
        return {name: function(feeds["x"]) for name, function in self._functions.items()}


def as_is(x: Array) -> Array:
    return x * 2


def time_major(x: Array) -> Array:
    return 2 * x.transpose(1, 0, 2)


def last(x: Array) -> Array:
    return 2 * x.transpose(1, 2, 0)


def flat(x: Array) -> Array:
    return 2 * x.reshape(-1, 4)


def selected(x: Array) -> Array:
    return 2 * x.reshape(-1, 4)[x.reshape(-1, 4)[:, 0] > 0]


def mean(x: Array) -> Array:
    return np.asarray(x.mean())


def rows(engine: Layout, count: int = 10, *others: Layout) -> list[tuple[Batch, list[Arrays]]]:
    runner = RowRunner([engine, *others])
    reference = {"labels": np.arange(10)}
    starts = range(0, 10, count)
    batches = [
        Batch({"x": X[start : start + count]}, {n: a[start : start + count] for n, a in reference.items()}, start)
        for start in starts
    ]
    return [part for batch in batches for part in runner.run(batch)]


@pytest.mark.parametrize("batch", ["n", None, 1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 4, 10])
@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("function", [as_is, time_major, last, flat])
def test_the_samples_are_found_on_any_axis(
    function: Callable[[Array], Array], named: bool, count: int, batch: int | str | None
) -> None:
    size = batch if isinstance(batch, int) else "n"
    shapes: dict[Any, Shape] = {as_is: [size, 3, 4], time_major: [3, size, 4], last: [3, 4, size], flat: ["m", 4]}
    engine = Layout(batch, y=(function, shapes[function] if named else [None] * len(shapes[function])))
    found = [outputs[0]["y"] for _, outputs in rows(engine, count)]
    assert sum(len(array) for array in found) == 10
    np.testing.assert_array_equal(np.concatenate([array.reshape(len(array), 3, 4) for array in found]), 2 * X)


def test_the_symbol_of_the_batch_needs_no_run() -> None:
    engine = Layout("n", y=(time_major, [3, "n", 4]), z=(as_is, ["n", 3, 4]))
    assert find_places(engine, Batch({"x": X}, {}, 0)) == {"y": Place(1), "z": Place(0)}
    assert engine.sizes == []


def test_an_axis_that_has_the_size_of_the_batch_by_chance_is_not_taken() -> None:
    engine = Layout("n", y=(lambda x: 2 * x.transpose(1, 0, 2)[:2], [None, None, None]))
    assert find_places(engine, Batch({"x": X}, {}, 0)) == {"y": Place(1)}
    fixed = Layout(3, y=(time_major, [None, None, None]))
    assert find_places(fixed, Batch({"x": X[:3]}, {}, 0)) == {"y": Place(1)}


@pytest.mark.parametrize("batch", ["n", 1, 2])
@pytest.mark.parametrize("function", [selected, mean])
def test_what_only_a_run_of_one_sample_tells_is_run_one_by_one(
    function: Callable[[Array], Array], batch: int | str
) -> None:
    engine = Layout(batch, y=(function, ["m", 4] if function is selected else []), z=(as_is, [batch, 3, 4]))
    found = rows(engine, 4)
    assert [part.size for part, _ in found] == [1] * 10
    assert [part.start for part, _ in found] == list(range(10))
    assert [part.reference["labels"].tolist() for part, _ in found] == [[i] for i in range(10)]
    for i, (_, (outputs,)) in enumerate(found):
        expected = function(np.repeat(X[i : i + 1], batch if isinstance(batch, int) else 1, 0))
        np.testing.assert_array_equal(outputs["y"], expected[None])
        np.testing.assert_array_equal(outputs["z"], 2 * X[i : i + 1])


def test_models_may_differ_in_the_number_of_rows() -> None:
    first, second = Layout("n", y=(selected, ["m", 4])), Layout("n", y=(lambda x: selected(x)[:0], ["m", 4]))
    found = rows(first, 5, second)
    assert [part.size for part, _ in found] == [1] * 10
    assert {ours["y"].shape for _, (_, ours) in found} == {(1, 0, 4)}
    assert len({floats["y"].shape for _, (floats, _) in found}) > 1


def test_a_model_that_cannot_run_several_samples_is_run_with_one() -> None:
    def only_one(x: Array) -> Array:
        if len(x) > 1:
            raise DataError("the model could not run")
        return 2 * x

    shapes: list[Shape] = [["n", 3, 4], [None, 3, 4]]
    for shape in shapes:
        found = rows(Layout("n", y=(only_one, shape)), 4)
        np.testing.assert_array_equal(np.concatenate([outputs["y"] for _, (outputs,) in found]).reshape(X.shape), 2 * X)


def test_a_model_that_cannot_run_at_all_says_so() -> None:
    def never(x: Array) -> Array:
        raise DataError("the model could not run")

    for batch in ("n", 2):
        with pytest.raises(DataError, match="could not run"):
            rows(Layout(batch, y=(never, [batch, 3, 4])), 4)
