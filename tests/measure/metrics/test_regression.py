"""Mean squared error, PSNR and cosine similarity compared with NumPy and SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cosine as cosine_distance

from octavo.errors import DataError
from octavo.measure.metrics import metric
from octavo.measure.metrics.regression import cosines

Array = NDArray[Any]


def value(name: str, outputs: dict[str, Array], reference: dict[str, Array], floats: dict[str, Array]) -> float:
    measure = metric(name)
    if measure.per_sample is not None:
        return float(measure.per_sample(outputs, reference, floats).mean())
    assert measure.score is not None
    return measure.score(outputs, reference, floats)


@pytest.fixture
def pair() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(6, 3, 4, 5)).astype(np.float32)
    return x, (x + 0.1 * rng.normal(size=x.shape)).astype(np.float32)


def test_mse_is_the_mean_over_all_elements(pair: tuple[Array, Array]) -> None:
    x, y = pair
    expected = np.mean((x.astype(np.float64) - y) ** 2)
    assert value("mse", {"y": y}, {"target": x}, {}) == pytest.approx(expected, rel=1e-12)


def test_cosine_is_the_mean_over_samples(pair: tuple[Array, Array]) -> None:
    x, y = pair
    expected = np.mean([1 - cosine_distance(a.ravel().astype(float), b.ravel()) for a, b in zip(x, y, strict=True)])
    assert value("cosine", {"y": y}, {"target": x}, {}) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("peak", [1.0, 255.0])
def test_the_peak_of_psnr_is_that_of_the_reference(pair: tuple[Array, Array], peak: float) -> None:
    x, y = pair[0] * np.float32(peak), pair[1] * np.float32(peak)
    errors = [np.mean((a.astype(np.float64) - b) ** 2) for a, b in zip(x, y, strict=True)]
    expected = np.mean([20 * np.log10(peak) - 10 * np.log10(error) for error in errors])
    assert value("psnr", {"y": y}, {"target": x}, {}) == pytest.approx(expected, rel=1e-9)


def test_psnr_of_an_exact_image_is_100_db(pair: tuple[Array, Array]) -> None:
    assert value("psnr", {"y": pair[0]}, {"target": pair[0]}, {}) == 100.0


def test_cosine_of_zeros() -> None:
    zero, one = np.zeros((1, 3)), np.ones((1, 3))
    assert [cosines(a, b)[0] for a, b in ((zero, zero), (zero, one), (one, zero))] == [1, 0, 0]
    assert cosines(one, -one)[0] == pytest.approx(-1)


@pytest.mark.parametrize("name", ["y", "target", "targets", "labels"])
def test_the_reference_may_have_several_names(pair: tuple[Array, Array], name: str) -> None:
    x, y = pair
    other = {"labels": x + 9, "anything": x + 8} if name != "labels" else {"anything": x + 8}
    assert value("mse", {"y": y}, {**other, name: x}, {"y": y}) == value("mse", {"y": y}, {"target": x}, {})


@pytest.mark.parametrize("name", ["mse", "psnr", "cosine"])
def test_without_a_reference_the_float_model_is_the_reference(pair: tuple[Array, Array], name: str) -> None:
    x, y = pair
    assert value(name, {"y": y}, {}, {"y": x}) == value(name, {"y": y}, {"target": x}, {})


@pytest.mark.parametrize("name", ["mse", "psnr", "cosine"])
def test_a_reference_of_another_shape_is_refused(pair: tuple[Array, Array], name: str) -> None:
    x, y = pair
    for target in (x.transpose(0, 2, 3, 1), x[:, :2], np.arange(6)):
        with pytest.raises(DataError, match="make them equal"):
            value(name, {"y": y}, {"target": target}, {})


def test_axes_of_size_one_are_ignored() -> None:
    x = np.arange(6, dtype=np.float32)
    assert value("mse", {"y": x[:, None]}, {"target": x + 1}, {}) == 1.0


def test_lower_is_better_only_for_mse() -> None:
    assert {name for name in ("mse", "psnr", "cosine") if metric(name).lower_is_better} == {"mse"}


@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 1, 1)])
def test_cosine_of_one_number_is_refused(shape: tuple[int, ...]) -> None:
    """It is 1 or -1 whatever the number is."""
    for reference in ({}, {"target": np.ones(shape)}):
        with pytest.raises(DataError, match=r"metric cosine is always 1 or -1 for output 'y'.*; choose another"):
            value("cosine", {"y": np.ones(shape)}, reference, {"y": np.ones(shape)})


@pytest.mark.parametrize("name", ["mse", "cosine"])
def test_samples_without_rows_have_no_error(name: str) -> None:
    none = {"y": np.zeros((1, 0, 6))}
    assert value(name, none, {}, none) == (name == "cosine")
