"""Contract of every registered input format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.sample_data import inputs, opened, spec

from octavo.data import SampleSet, concatenate
from octavo.data.formats import FORMATS, Format, format_of
from octavo.errors import DependencyError

ROWS = 7
# Multiples of 1/255, which 8-bit pixels represent exactly; sorted labels, because folders sort their images.
PIXELS = np.random.default_rng(0).integers(0, 256, (ROWS, 3, 4, 6)).astype(np.float32) / np.float32(255)
LABELS = np.array([0, 0, 1, 1, 1, 2, 2])
IMAGE = (spec("image", ("N", 3, 4, 6)),)


@pytest.fixture(params=FORMATS, ids=lambda data_format: data_format.name)
def data_format(request: pytest.FixtureRequest) -> Format:
    form: Format = request.param
    return form


def example(data_format: Format, folder: Path, pixels: np.ndarray = PIXELS) -> Any:
    """A source in the format, with these pixels and LABELS."""
    folder.mkdir(exist_ok=True)
    try:
        return data_format.example(folder, {"image": pixels, "labels": LABELS})
    except DependencyError as error:
        pytest.skip(str(error))


def labels(samples: SampleSet) -> np.ndarray | None:
    """The labels of all samples, from the source or its batches."""
    batches = concatenate([batch.reference for batch in samples.batches(2)])
    return {**samples.reference(), **batches}.get("labels")


def test_names_and_descriptions_are_unique() -> None:
    assert (
        len({data_format.name for data_format in FORMATS})
        == len({data_format.description for data_format in FORMATS})
        == len(FORMATS)
    )


def test_the_registry_selects_the_format(data_format: Format, tmp_path: Path) -> None:
    assert format_of(example(data_format, tmp_path)) is data_format


@pytest.mark.parametrize("batch_size", [1, 3, ROWS, 100])
def test_batches_hold_every_sample_in_order(data_format: Format, batch_size: int, tmp_path: Path) -> None:
    samples = opened(example(data_format, tmp_path), IMAGE)
    batches = list(samples.batches(batch_size))
    assert [batch.start for batch in batches] == [0, *np.cumsum([batch.size for batch in batches])[:-1]]
    np.testing.assert_array_equal(concatenate([batch.inputs for batch in batches])["image"], PIXELS)
    assert samples.length == ROWS


def test_labels_belong_to_their_samples_or_are_absent(data_format: Format, tmp_path: Path) -> None:
    actual = labels(opened(example(data_format, tmp_path), IMAGE))
    assert actual is None or actual.tolist() == LABELS.tolist()


def test_a_limit_keeps_the_first_samples(data_format: Format, tmp_path: Path) -> None:
    samples = opened(example(data_format, tmp_path), IMAGE, limit=4)
    np.testing.assert_array_equal(inputs(samples, 3)["image"], PIXELS[:4])


def test_a_second_pass_yields_the_same_samples(data_format: Format, tmp_path: Path) -> None:
    samples = opened(example(data_format, tmp_path), IMAGE)
    first = inputs(samples, 2)["image"]
    if not samples.one_pass:
        np.testing.assert_array_equal(inputs(samples, 3)["image"], first)


def test_the_digest_identifies_the_samples(data_format: Format, tmp_path: Path) -> None:
    changed = PIXELS.copy()
    changed[3, 1, 2, 5] = 1.0 - np.rint(changed[3, 1, 2, 5])
    digests = []
    for folder, pixels in (("a", PIXELS), ("b", PIXELS), ("c", changed)):
        samples = opened(example(data_format, tmp_path / folder, pixels), IMAGE)
        inputs(samples)
        digests.append(samples.sha256())
    assert len(digests[0]) == 64
    assert digests[0] == digests[1] != digests[2]


def test_peeking_reads_the_first_sample_and_consumes_nothing(data_format: Format, tmp_path: Path) -> None:
    source = example(data_format, tmp_path)
    item = data_format.peek(source)
    if item is not None:
        first = next(iter(item.values())) if isinstance(item, dict) else item
        np.testing.assert_array_equal(first[:1], PIXELS[:1])
    np.testing.assert_array_equal(inputs(opened(source, IMAGE))["image"], PIXELS)
