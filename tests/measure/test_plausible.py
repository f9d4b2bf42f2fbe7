"""Doubts about the float model itself, before any verdict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo.measure.metrics import metric
from octavo.measure.plausible import Plausible

Array = NDArray[Any]
RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(0, 255, (200, 3, 8, 8)).astype(np.float32)
SCORES = RNG.normal(size=(200, 10)).astype(np.float32)


def doubt(
    name: str = "agreement",
    values: Any = 100.0,
    labels: Array | None = None,
    inputs: Array = IMAGES,
    outputs: Array = SCORES,
    classes: int = 10,
) -> list[str]:
    found = Plausible()
    for start in range(0, 200, 64):
        found.add({"x": inputs[start : start + 64]}, {"y": outputs[start : start + 64]})
    return found.doubt(metric(name), values, "y", {} if labels is None else {"labels": labels}, classes)


def hits(right: int, count: int = 200) -> Array:
    return np.where(np.arange(count) < right, 100.0, 0.0)


@pytest.mark.parametrize(("right", "doubted"), [(20, True), (26, True), (35, False), (150, False)])
def test_top1_of_chance_is_doubted(right: int, doubted: bool) -> None:
    found = doubt("top1", hits(right), np.arange(200) % 10)
    assert len(found) == doubted
    if doubted:
        assert f"top1 of the float model is {right / 2:.2f}, no better than chance among 10 classes (10.00)" in found[0]
        for word in ("preprocessing", "channel order", "label order", "before any verdict"):
            assert word in found[0]


def test_the_most_frequent_label_is_chance_too() -> None:
    labels = (np.arange(200) % 10 == 0).astype(int)
    assert "the most frequent label (90.00)" in doubt("top1", hits(181), labels, classes=2)[0]
    assert doubt("top1", hits(196), labels, classes=2) == []
    assert doubt("top1", hits(198), np.zeros(200, int)) == []


def test_few_samples_do_not_tell_chance() -> None:
    assert doubt("top1", hits(3, 15), np.arange(15) % 10) == []


@pytest.mark.parametrize(("value", "doubted"), [(51.0, True), (30.0, True), (70.0, False)])
def test_auc_of_chance_is_doubted(value: float, doubted: bool) -> None:
    assert len(doubt("auc", value, np.arange(200) % 2)) == doubted


def test_outputs_that_do_not_vary_are_named() -> None:
    constant = np.repeat(SCORES[:1], 200, 0)
    assert "output 'y' of the float model is the same for all 200 samples" in doubt(outputs=constant)[0]
    assert doubt(outputs=np.where(np.arange(200)[:, None] == 199, SCORES, constant)) == []


@pytest.mark.parametrize("scale", [1 / 255**2, 1e4])
def test_images_far_outside_of_any_usual_range_are_named(scale: float) -> None:
    inputs = IMAGES * np.float32(scale)
    (found,) = doubt(inputs=inputs)
    assert f"input 'x', by its shape an image, lies between {inputs.min():.3g} and {inputs.max():.3g}" in found


@pytest.mark.parametrize("inputs", [IMAGES, IMAGES / 255, IMAGES / 127.5 - 1, IMAGES.transpose(0, 2, 3, 1) * 256])
def test_usual_images_are_not_doubted(inputs: Array) -> None:
    assert doubt(inputs=inputs) == []


def test_sound_and_other_inputs() -> None:
    sound = RNG.normal(size=(200, 1, 4000)).astype(np.float32)
    assert doubt(inputs=sound * 1e4) == []
    assert "by its shape a sound" in doubt(inputs=sound * 1e6)[0]
    assert doubt(inputs=RNG.normal(size=(200, 12)) * 1e9) == []


def test_all_reasons_are_one_warning() -> None:
    found = doubt("top1", hits(20), np.arange(200) % 10, IMAGES * np.float32(1e6), np.repeat(SCORES[:1], 200, 0))
    assert len(found) == 1
    assert found[0].count("preprocessing") == 1
