"""Evaluation of both models on the same samples: values, drop, paired interval, and warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score
from tests.helpers.fake_engines import Fake, noisy

from octavo.data import Preprocess, open_samples, sample_hashes
from octavo.errors import DataError, OptionError
from octavo.measure import Evaluation, MetricResult, evaluate
from octavo.measure.metrics import metric, metric_names
from octavo.measure.metrics.custom import custom

Array = NDArray[Any]


def same(x: Array) -> Array:
    return x


def data(rows: int = 60, classes: int = 6) -> dict[str, Array]:
    """Inputs that are class scores, mostly correct, and their labels."""
    rng = np.random.default_rng(rows)
    x, labels = rng.normal(size=(rows, classes)).astype(np.float32), rng.integers(0, classes, rows)
    x[np.arange(rows), labels] += 1.5
    return {"x": x, "labels": labels}


def pair(classes: int = 6, first: Any = same, second: Any = noisy) -> tuple[Fake, Fake]:
    return Fake(first, "N", classes), Fake(second, "N", classes)


def evaluated(name: str | None, source: Any, engines: tuple[Fake, Fake] | None = None, **options: Any) -> MetricResult:
    return evaluate(Evaluation(source, metric(name) if name else None), *(engines or pair()), **options)


def test_values_and_drop_equal_those_of_scikit_learn() -> None:
    arrays = data()
    result = evaluated("top1", arrays)
    floats = 100 * accuracy_score(arrays["labels"], arrays["x"].argmax(1))
    quantized = 100 * accuracy_score(arrays["labels"], noisy(arrays["x"]).argmax(1))
    assert (result.float_value, result.quantized_value) == pytest.approx((floats, quantized))
    assert result.drop == pytest.approx(floats - quantized)
    assert result.drop > 0
    assert (result.samples, result.groups, result.unit) == (60, 60, "points")
    assert result.ci95 is not None
    assert result.ci95[0] < result.drop < result.ci95[1]


def test_an_increase_of_an_error_metric_is_a_drop() -> None:
    arrays = data() | {"target": data()["x"] + 0.1}
    result = evaluated("mse", arrays)
    assert result.quantized_value > result.float_value
    assert result.drop == result.quantized_value - result.float_value
    swapped = evaluated("mse", arrays, pair(first=noisy, second=same))
    assert swapped.drop == -result.drop
    assert result.ci95 is not None
    assert result.ci95[0] > 0


def cases() -> Iterator[Any]:
    for name in metric_names():
        yield pytest.param(metric(name), id=name)
    yield pytest.param(custom(lambda o, r: float((o["y"].argmax(1) == r["labels"]).mean()), "own"), id="custom")


@pytest.mark.parametrize("measure", cases())
def test_results_do_not_depend_on_the_batch_size(measure: Any) -> None:
    arrays = data(30)
    classes = 2 if measure.name == "auc" else 6
    arrays = {
        "x": arrays["x"][:, :classes],
        "labels": arrays["labels"] % classes,
        "target": arrays["x"][:, :classes] + 1,
    }
    rows = [{name: array[i] for name, array in arrays.items()} for i in range(30)]
    parts = [{name: array[i : i + 8] for name, array in arrays.items()} for i in range(0, 30, 8)]
    results = [
        evaluate(Evaluation(source, measure), *pair(classes), batch_size=size)
        for source, size in ((arrays, 1), (arrays, 7), (arrays, 100), (rows, 32), (parts, 1), (iter(rows), 1))
    ]
    assert results[0].samples == 30
    for other in results[1:]:
        assert other.float_value == pytest.approx(results[0].float_value, rel=1e-12)
        assert other.ci95 == pytest.approx(results[0].ci95, rel=1e-9)
        assert replace(other, float_value=0, quantized_value=0, drop=0, ci95=None, warnings=[]) == replace(
            results[0], float_value=0, quantized_value=0, drop=0, ci95=None, warnings=[]
        )


def test_padding_to_a_fixed_batch_is_not_counted() -> None:
    arrays = data(10)
    engines = Fake(same, 4, 6), Fake(noisy, 4, 6)
    result = evaluated("top1", arrays, engines)
    assert result == evaluated("top1", arrays)
    assert engines[0].rows == engines[1].rows == [4, 4, 4]


def test_a_limit_takes_the_first_samples_and_their_labels() -> None:
    arrays = data()
    first = {name: array[:25] for name, array in arrays.items()}
    for source in (arrays, [arrays], [{"x": x, "labels": y} for x, y in zip(*arrays.values(), strict=True)]):
        assert evaluated("top1", source, limit=25) == evaluated("top1", first)


def test_stored_bytes_are_preprocessed() -> None:
    arrays = data()
    stored = {"x": (arrays["x"] * 20 + 128).clip(0, 255).astype(np.uint8), "labels": arrays["labels"]}
    preprocess = Preprocess(scale=0.05, offset=-6.4)
    expected = {"x": stored["x"] * np.float32(0.05) + np.float32(-6.4), "labels": arrays["labels"]}
    assert evaluated("top1", stored, preprocess=preprocess) == evaluated("top1", expected)


@pytest.mark.parametrize(("key", "name"), [("labels", "top1"), ("target", "agreement")])
def test_the_default_metric_depends_on_integer_labels(key: str, name: str) -> None:
    arrays = data()
    given = {"x": arrays["x"], key: arrays["labels"]}
    assert evaluated(None, given) == evaluated(name, given)


def test_non_class_labels_need_a_metric() -> None:
    with pytest.raises(OptionError, match="`metric`"):
        evaluated(None, data() | {"labels": np.ones(60)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.ones(60)}, "one integer label per sample"),
        ({"labels": np.zeros(59, int)}, "59 rows"),
        ({"labels": np.full(60, 6)}, "not among the 6 classes"),
        ({"labels": None}, "needs an array named 'labels'"),
    ],
)
def test_invalid_labels_are_refused(change: dict[str, Array | None], message: str) -> None:
    arrays = {name: array for name, array in (data() | change).items() if array is not None}
    with pytest.raises(DataError, match=message):
        evaluated("top1", arrays)


@pytest.mark.parametrize("name", ["mse", "psnr", "cosine", "top1", "agreement"])
def test_equal_errors_give_a_narrow_interval(name: str) -> None:
    """The interval is of the paired difference: an inaccurate model that equals the float model has no drop."""
    arrays = data(500)
    result = evaluated(name, arrays | {"target": arrays["x"] + 1}, pair(first=noisy, second=noisy))
    assert result.drop == 0
    assert result.ci95 is not None
    # As far as one more differing sample would move the metric, and no further.
    assert 0 < result.ci95[1] <= {"mse": 0.3, "psnr": 0.5, "cosine": 0.016}.get(name, 0.8)


def test_an_exact_model_is_not_told_from_one_that_differs_in_a_few_samples() -> None:
    result = evaluated("mse", data(12)["x"], pair(second=same))
    assert (result.float_value, result.quantized_value, result.changed) == (0, 0, False)
    assert result.ci95 is not None
    assert result.ci95[0] < 0 < result.ci95[1]


@pytest.mark.parametrize("samples", [20, 300])
def test_a_function_of_few_samples_of_which_none_differs_has_an_interval_like_a_proportion(samples: int) -> None:
    accuracy = custom(lambda o, r: float((o["y"].argmax(1) == r["labels"]).mean()), "own")
    result = evaluate(Evaluation(data(samples), accuracy), *pair(second=lambda x: x * np.float32(1.01)))
    bound = 1.959964**2 / (samples + 1.959964**2)
    assert (result.drop, result.unit) == (0, "")
    assert result.ci95 is not None
    assert 0.6 * bound < result.ci95[1] < 1.2 * bound


def test_agreement_stands_beside_a_metric_that_rises() -> None:
    """Labels that the second model gets right by chance: it is better, and yet another model."""
    arrays = data(400)
    scores = arrays["x"] + np.random.default_rng(1).normal(size=arrays["x"].shape).astype(np.float32)
    result = evaluated("top1", arrays | {"labels": scores.argmax(1)}, pair(second=lambda x: x))
    assert (result.agreement, result.changed) == (1.0, False)
    moved = evaluated("top1", arrays, pair(first=noisy, second=same))
    assert moved.agreement == pytest.approx(float((noisy(arrays["x"]).argmax(1) == arrays["x"].argmax(1)).mean()))
    assert moved.drop < 0
    assert moved.changed
    assert any("changed, which is not the same as being better" in each for each in moved.warnings)
    assert any(f"{1 - moved.agreement:.1%} of its decisions differ" in each for each in moved.warnings)


def test_the_warning_of_a_small_set_states_its_numbers() -> None:
    result = evaluated("top1", data(12))
    assert result.ci95 is not None
    low, high = result.ci95
    assert result.warnings == [
        f"12 samples are too few to tell the drop from noise (95% interval {low:+.2f} to {high:+.2f} points); "
        "evaluate on more"
    ]


def test_a_large_enough_set_gives_no_warning() -> None:
    result = evaluated("top1", data(40), pair(second=lambda x: -x))
    assert result.ci95 is not None
    assert result.ci95[0] > 0
    (warning,) = result.warnings
    assert warning.startswith("quantization costs top1 more than chance explains (95% interval +")
    assert evaluated("top1", data(2000), pair(second=same)).warnings == []


@pytest.mark.parametrize("name", ["mse", "top1"])
def test_one_sample_gives_no_interval(name: str) -> None:
    arrays = data(1) | {"target": data(1)["x"] + 1}
    result = evaluated(name, arrays)
    assert len(result.warnings) == 1
    if name == "mse":
        assert result.ci95 is None
        assert "nothing tells the drop from noise" in result.warnings[0]
    else:
        assert result.ci95 is not None
        assert result.ci95[1] - result.ci95[0] > 90


def test_all_wrong_is_measured_as_well() -> None:
    arrays = data(50)
    mislabeled = {"x": arrays["x"], "labels": (arrays["x"].argmin(1))}
    result = evaluated("top1", mislabeled, pair(second=same))
    assert (result.float_value, result.quantized_value, result.drop) == (0, 0, 0)


def test_calibration_samples_among_the_evaluation_samples_are_counted() -> None:
    arrays = data()
    specs = pair()[0].inputs
    calibration = np.concatenate([arrays["x"][50:], data(90)["x"][:20]])
    hashes = {digest for batch in open_samples(calibration, specs).batches(8) for digest in sample_hashes(batch)}
    result = evaluated("top1", arrays, calibrated_on=hashes)
    assert "10 of 60 evaluation samples are calibration samples too" in result.warnings[0]
    without_overlap = evaluated("top1", {name: a[:50] for name, a in arrays.items()}, calibrated_on=hashes)
    assert not any("calibration" in digest for digest in without_overlap.warnings)


@pytest.mark.parametrize("name", ["top1", "mse", "psnr"])
def test_samples_of_a_group_count_as_one(name: str) -> None:
    arrays = data(40)
    copies = {key: np.repeat(array, 6, axis=0) for key, array in (arrays | {"target": arrays["x"] + 0.1}).items()}
    ungrouped, grouped = evaluated(name, copies), evaluated(name, copies | {"groups": np.repeat(np.arange(40), 6)})
    assert (ungrouped.groups, grouped.groups, grouped.samples) == (240, 40, 240)
    assert ungrouped.ci95 is not None
    assert grouped.ci95 is not None
    assert "40 groups" in grouped.method
    ratio = (grouped.ci95[1] - grouped.ci95[0]) / (ungrouped.ci95[1] - ungrouped.ci95[0])
    assert ratio == pytest.approx(6**0.5, rel=0.15)


def test_equal_groups_still_give_an_interval_of_positive_width() -> None:
    result = evaluated("top1", data(60) | {"groups": np.arange(60) // 12}, pair(second=same))
    bound = 100 * 1.959964**2 / (5 + 1.959964**2)
    assert result.ci95 == pytest.approx((-bound, bound), rel=1e-6)


def test_a_custom_metric_sees_the_groups_that_were_drawn() -> None:
    received: list[Array] = []

    def spread(outputs: dict[str, Array], reference: dict[str, Array]) -> float:
        received.append(reference["groups"])
        return float(outputs["y"].mean())

    groups = np.repeat([5, 5, 8, 2, 2], 2)
    evaluate(Evaluation(data(10) | {"groups": groups}, custom(spread)), *pair())
    assert received[0].tolist() == groups.tolist()
    # A group is left out as a whole.
    assert {len(set(ids.tolist())) for ids in received} == {2, 3}


def test_few_positives_do_not_stop_auc() -> None:
    labels = np.arange(12) == 0
    result = evaluated("auc", {"x": data(12, 1)["x"], "labels": labels.astype(int)}, pair(1, second=np.cos))
    assert result.ci95 is not None
    assert np.isfinite(result.ci95).all()
    assert 500 < int(re.findall(r"\d+", result.method)[0]) < 800


@pytest.mark.parametrize("name", ["mse", "cosine", "psnr"])
@pytest.mark.parametrize("model", ["float", "quantized"])
def test_nan_outputs_are_refused(name: str, model: str) -> None:
    broken = pair(second=lambda x: x * np.float32(np.nan))
    engines = broken if model == "quantized" else broken[::-1]
    with pytest.raises(DataError, match=f"metric {name} of the {model} model is nan"):
        evaluated(name, data() | {"target": data()["x"] + 1}, engines)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_custom_metric_must_be_finite(value: float) -> None:
    with pytest.raises(DataError, match=f"metric mine of the float model is {value}"):
        evaluate(Evaluation(data(), custom(lambda o, r: value, "mine")), *pair())


def test_the_interval_of_a_mean_depends_on_the_samples_alone() -> None:
    arrays = data() | {"target": data()["x"] + 1}
    assert evaluated("cosine", arrays, seed=3).ci95 == evaluated("cosine", arrays, seed=4).ci95


def test_the_jackknife_of_large_outputs_uses_blocks() -> None:
    rows = np.random.default_rng(0).normal(size=(900, 700)).astype(np.float32)
    small, large = rows[:, :100], rows
    for x, method in ((small, "400 blocks"), (large, "20 blocks")):
        engines = pair(x.shape[1], second=lambda x: x * np.float32(0.9) + np.float32(0.02))
        result = evaluated("psnr", {"x": x, "target": x + np.float32(0.1)}, engines)
        assert f", {method} of 900" in result.method
        assert result.ci95 is not None
        assert result.ci95[0] < result.drop < result.ci95[1]


def test_outputs_of_varying_length_need_a_metric_that_is_a_mean() -> None:
    rng = np.random.default_rng(0)
    items = [rng.normal(size=(1, length, 6)).astype(np.float32) for length in (3, 5, 4)]
    engines = Fake(same, "N", "L", 6), Fake(noisy, "N", "L", 6)
    with_targets = [{"x": x, "target": x + 1, "groups": [i // 2]} for i, x in enumerate(items)]
    assert evaluated("agreement", items, engines).samples == 3
    assert evaluated("mse", with_targets, engines).groups == 2
    for source in (items, with_targets):
        with pytest.raises(DataError, match="differ in the shape"):
            evaluated("psnr", source, engines)
