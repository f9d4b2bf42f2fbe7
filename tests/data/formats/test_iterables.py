"""Iterables of samples: data loaders, readers, generators and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from onnxruntime.quantization import CalibrationDataReader
from tests.helpers.sample_data import LABELS, ROWS, VALUES, X, inputs, opened, refusal, spec
from torch.utils.data import DataLoader, TensorDataset

from octavo.data import concatenate, sample_hashes
from octavo.errors import DataError

IDS, MASK = spec("ids", ("N", "T"), np.int64), spec("mask", ("N", "T"), np.int64)


class Reader(CalibrationDataReader):
    """A data reader as in ONNX Runtime's documentation: it cannot restart."""

    def __init__(self) -> None:
        self._items = iter(_named())

    def get_next(self) -> Any:
        return next(self._items, None)


class Rewinding(Reader):
    """A reader that can restart."""

    def rewind(self) -> None:
        self._items = iter(_named())


class Tokens(dict[str, Any]):
    """A subclass of dict, as libraries return."""


def _halves(*arrays: np.ndarray) -> list[list[np.ndarray]]:
    return [[array[:4] for array in arrays], [array[4:] for array in arrays]]


def _named() -> list[dict[str, np.ndarray]]:
    return [{"x": x, "labels": labels} for x, labels in _halves(VALUES, LABELS)]


def _loader(**options: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(torch.from_numpy(VALUES), torch.from_numpy(LABELS)), **options)


def _generator() -> Iterator[Any]:
    yield from _named()


LABELLED: dict[str, Callable[[], Any]] = {
    "dicts of batches": _named,
    "dicts of one sample": lambda: [{"x": x, "labels": label} for x, label in zip(VALUES, LABELS, strict=True)],
    "dicts of a library": lambda: [Tokens(item) for item in _named()],
    "dicts of tensors": lambda: [{name: torch.from_numpy(a) for name, a in item.items()} for item in _named()],
    "dicts of lists": lambda: [{"x": x.tolist(), "labels": y.tolist()} for x, y in _halves(VALUES, LABELS)],
    "tuples of batches": lambda: [tuple(parts) for parts in _halves(VALUES, LABELS)],
    "tuples of one sample": lambda: list(zip(VALUES, LABELS, strict=True)),
    "lists": lambda: _halves(VALUES, LABELS),
    "loader": lambda: _loader(batch_size=3),
    "loader of single samples": lambda: _loader(batch_size=None),
    "data set": lambda: iter(TensorDataset(torch.from_numpy(VALUES), torch.from_numpy(LABELS))),  # type: ignore[call-overload]
    "generator": _generator,
    "reader": Reader,
    "rewinding reader": Rewinding,
}
BARE: dict[str, Callable[[], Any]] = {
    "batches": lambda: [VALUES[:4], VALUES[4:]],
    "samples": lambda: list(VALUES),
    "tensors": lambda: [torch.from_numpy(VALUES[:4]).requires_grad_(), torch.from_numpy(VALUES[4:])],
    "one tensor": lambda: torch.from_numpy(VALUES),
    "dicts": lambda: [{"x": VALUES}],
    "another name": lambda: [{"pixels": VALUES[:4]}, {"pixels": VALUES[4:]}],
}


@pytest.mark.parametrize("form", LABELLED)
def test_every_form_gives_the_samples_and_their_labels(form: str) -> None:
    samples = opened(LABELLED[form]())
    assert samples.length is None
    batches = list(samples.batches(2))
    np.testing.assert_array_equal(concatenate([batch.inputs for batch in batches])["x"], VALUES)
    np.testing.assert_array_equal(concatenate([batch.reference for batch in batches])["labels"], LABELS)
    assert [batch.start for batch in batches] == [0, *np.cumsum([batch.size for batch in batches])[:-1]]
    assert samples.length == ROWS


@pytest.mark.parametrize("form", BARE)
def test_labels_may_be_left_out(form: str) -> None:
    samples = opened(BARE[form]())
    assert all(batch.reference == {} for batch in samples.batches(1))
    np.testing.assert_array_equal(inputs(samples)["x"], VALUES)


@pytest.mark.parametrize("forms", [LABELLED, BARE], ids=["labelled", "bare"])
def test_the_digest_depends_on_neither_form_nor_batching(forms: dict[str, Callable[[], Any]]) -> None:
    digests = set()
    for make in forms.values():
        samples = opened(make())
        assert samples.sha256() == ""
        inputs(samples)
        digests.add(samples.sha256())
    assert len(digests) == 1
    assert len(digests.pop()) == 64


@pytest.mark.parametrize(
    "other",
    [
        [(VALUES, LABELS + 1)],
        [(VALUES[:-1], LABELS[:-1])],
        [(VALUES + np.float32(1e-3), LABELS)],
        [(VALUES.astype(np.float64) * 2, LABELS)],
        [VALUES],
        [(VALUES[::-1], LABELS)],
    ],
)
def test_the_digest_depends_on_inputs_and_labels(other: list[Any]) -> None:
    first, second = opened([(VALUES, LABELS)]), opened(other)
    inputs(first)
    inputs(second)
    assert first.sha256() != second.sha256()


def test_tuples_hold_the_inputs_in_the_models_order() -> None:
    ids, mask = np.arange(8).reshape(2, 4), np.ones((2, 4), np.int64)
    for source in ([(ids, mask)], [(ids, mask, LABELS[:2])], [{"mask": mask, "ids": ids}]):
        given_back = inputs(opened(source, (IDS, MASK)))
        np.testing.assert_array_equal(given_back["ids"], ids)
        np.testing.assert_array_equal(given_back["mask"], mask)


def test_lengths_may_vary_from_item_to_item() -> None:
    lengths = [3, 1, 9]
    source = [{"ids": np.arange(n)[None], "mask": np.ones((1, n), np.int64)} for n in lengths]
    batches = list(opened(source, (IDS, MASK)).batches(32))
    assert [batch.inputs["ids"].shape for batch in batches] == [(1, n) for n in lengths]
    assert [batch.start for batch in batches] == [0, 1, 2]
    assert len({digest for batch in batches for digest in sample_hashes(batch)}) == 3


@pytest.mark.parametrize("form", ["generator", "reader", "data set"])
def test_one_shot_iterables_are_refused_in_a_second_pass(form: str) -> None:
    samples = opened(LABELLED[form]())
    assert samples.one_pass
    inputs(samples)
    refusal(lambda: inputs(samples), DataError, "only once", "iterated again")


@pytest.mark.parametrize("form", ["rewinding reader", "loader", "tuples of batches"])
def test_restartable_iterables_yield_the_same_samples_again(form: str) -> None:
    samples = opened(LABELLED[form]())
    assert not samples.one_pass
    next(samples.batches(1))
    first, digest = inputs(samples), samples.sha256()
    np.testing.assert_array_equal(inputs(samples)["x"], first["x"])
    assert samples.sha256() == digest


def test_opening_does_not_start_the_iteration() -> None:
    class Expensive:
        def __iter__(self) -> Iterator[Any]:
            raise AssertionError("started")

    assert not opened(Expensive()).one_pass


@pytest.mark.parametrize(
    ("source", "specs", "parts"),
    [
        ([], X, ("no samples",)),
        ([np.zeros((0, 3), np.float32)], X, ("no samples",)),
        ([{"y": VALUES, "z": VALUES}], X, ("item 0", "'x'", "'y', 'z'")),
        ([{"ids": LABELS[None]}], (IDS, MASK), ("item 0", "'mask'")),
        ([(LABELS[None],)], (IDS, MASK), ("item 0", "1 arrays", "2 inputs")),
        ([VALUES, (VALUES, LABELS, LABELS)], X, (f"item {ROWS}", "3 arrays", "labels at most")),
        ([(VALUES, LABELS), (VALUES, LABELS[:-1])], X, (f"item {ROWS}", "'labels'", "6 rows for 7 samples")),
        ([{"x": VALUES, "epoch": 3}], X, ("'epoch'", "item 0", "single number")),
        ([(VALUES, LABELS), VALUES], X, (f"item {ROWS}", "inputs only", "'labels'")),
        ([VALUES, np.zeros((2, 4), np.float32)], X, ("'x'", "4 on axis 1")),
        ([VALUES, np.zeros((2, 3, 1), np.float32)], X, ("'x'", "[2, 3, 1]")),
        ([np.float32(3)], X, ("'x'", "shape []")),
        ([{"x": [[1.0], [1.0, 2.0]]}], X, ("'x'", "item 0", "cannot be read")),
        ([torch.ones(2, 3, dtype=torch.bfloat16)], X, ("item 0", "cannot be read")),
        ([None], X, ("item 0", "Python objects")),
        (["calib.npz"], X, ("'x'",)),
    ],
)
def test_an_item_that_does_not_fit_is_named(source: list[Any], specs: Any, parts: tuple[str, ...]) -> None:
    refusal(lambda: inputs(opened(source, specs)), DataError, *parts)


def test_an_exception_of_the_iterable_propagates() -> None:
    def failing() -> Iterator[Any]:
        yield VALUES
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        inputs(opened(failing()))
