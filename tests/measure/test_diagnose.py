"""Diagnosis of the worst layers, for models built to fail and for constructed statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tests.helpers.models import build, node, random

import octavo
from octavo.affine import UINT8, QuantParams
from octavo.graph.plan import LayerPlan
from octavo.measure import Diagnosis, Evidence, TensorError, diagnose
from octavo.measure.layers import _Sums
from octavo.pipeline.recipe import Recipe

Array = NDArray[Any]
NORMAL = np.random.default_rng(0).normal(size=(64, 8, 10, 10)).astype(np.float32)


def worst(model: onnx.ModelProto, calibration: Array, held_out: Array | None = None) -> Diagnosis:
    evaluation = calibration if held_out is None else held_out
    # A recipe without refinements: they would mend what is to be diagnosed.
    result = octavo.quantize(
        model, calibration, recipe=Recipe("octavo"), estimator="minmax", evaluate=evaluation, threads=1
    )
    sqnr = [layer.sqnr_db for layer in result.layers if layer.sqnr_db is not None]
    assert result.diagnosis[0].sqnr_db == pytest.approx(min(sqnr), abs=10)
    return result.diagnosis[0]


def depthwise(sizes: Array) -> onnx.ModelProto:
    """A depthwise Conv with channels of these magnitudes, which the following Conv rescales."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", group=8),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "v"], "y"),
    ]
    weights = {
        "w": random(8, 1, 3, 3) * sizes[:, None, None, None],
        "b": np.abs(random(8)) * sizes,
        "v": random(8, 8, 1, 1) / sizes[:, None, None],
    }
    return build(nodes, {"x": ["N", 8, 10, 10]}, {"y": ["N", 8, 8, 8]}, weights)


@pytest.mark.parametrize(("loud", "quiet"), [(1, 7), (4, 4), (7, 1)])
def test_channels_a_thousand_times_smaller_are_counted(loud: int, quiet: int) -> None:
    sizes = np.array([1.0] * loud + [1e-3] * quiet, np.float32)
    diagnosis = worst(depthwise(sizes), NORMAL)
    assert (diagnosis.layer, diagnosis.tensor) == ("conv_y", "y")
    assert len(diagnosis.causes) == 1
    assert f"{quiet} of 8 channels of 'r' span fewer than 16 of 256 steps" in diagnosis.causes[0]
    ratio = float(diagnosis.causes[0].split("the largest is ")[1].split()[0])
    assert 300 < ratio < 5000
    assert "equalize" in diagnosis.causes[0]


def test_channels_of_equal_magnitude_are_not_a_cause() -> None:
    diagnosis = worst(depthwise(np.ones(8, np.float32)), NORMAL)
    assert diagnosis.causes == ["no single cause: rounding of weights and activations adds up"]
    assert diagnosis.sqnr_db > 30


def two_products(size: int = 32) -> onnx.ModelProto:
    nodes = [node("MatMul", ["x", "w"], "a"), node("MatMul", ["a", "v"], "y")]
    return build(nodes, {"x": ["N", 16, size]}, {"y": ["N", 16, 8]}, {"w": random(size, 24), "v": random(24, 8)})


def test_one_huge_value_is_an_outlier() -> None:
    x = np.random.default_rng(0).normal(size=(64, 16, 32)).astype(np.float32)
    x[3, 2, 5] = 3000
    diagnosis = worst(two_products(), x)
    assert "outliers of 'a' reach" in diagnosis.causes[0]
    assert "clip them with another estimator" in diagnosis.causes[0]
    reach, typical = (float(part.split()[0]) for part in (
        diagnosis.causes[0].split("reach ")[1], diagnosis.causes[0].split("below ")[1].replace(":", " ")
    ))  # fmt: skip
    inner = np.abs(x @ random(32, 24))
    assert reach == pytest.approx(inner.max(), rel=0.01)
    assert typical == pytest.approx(np.quantile(np.delete(inner, 3, 0), 0.99), rel=0.2)


def test_data_beyond_the_calibrated_range_are_a_cause() -> None:
    x = np.random.default_rng(0).normal(size=(64, 16, 32)).astype(np.float32)
    diagnosis = worst(two_products(), x, 6 * x[:32])
    share = float(diagnosis.causes[0].split("%")[0])
    assert "lies beyond its range: calibrate on data like these" in diagnosis.causes[0]
    assert 20 < share < 80


def test_an_outlier_in_the_calibration_data_only_is_distinguished() -> None:
    x = np.random.default_rng(0).normal(size=(64, 16, 32)).astype(np.float32)
    calibration = x.copy()
    calibration[0] *= 100
    diagnosis = worst(two_products(), calibration, x)
    assert "the calibration samples hold outliers" in diagnosis.causes[0]


GRID = {name: QuantParams(UINT8, np.float32(0.02), np.int32(128)) for name in ("a", "b")}


def layer(name: str, reads: str, writes: str | None = None, role: str = "compute") -> LayerPlan:
    return LayerPlan(name, "Conv", role, {0: reads}, [], None, writes or f"{name}_out", (), writes)


def error(sqnr: float, own: float | None = 45.0, **other: Any) -> TensorError:
    fields = {"cosine": 1.0, "clipped": 0.0, "channel_ranges": np.full(8, 2.5), "typical": 2.4, **other}
    return TensorError(sqnr, own_sqnr_db=own, **fields)


OUT = {"one_out": error(8.0, None)}


def test_a_grid_that_is_too_coarse_needs_more_bits() -> None:
    (diagnosis,) = diagnose([layer("one", "a")], {"a": error(12.0, 12.3), "one_out": error(11.0, None)}, GRID)
    assert diagnosis.causes == ["the grid of 'a' alone leaves 12.3 dB: it needs more bits"]


def test_a_few_clipped_channels_are_distinguished_from_shifted_data() -> None:
    ranges = np.full(40, 2.0)
    ranges[[3, 17]] = 11.8, 6.0
    few_clipped, shifted = (
        error(9.0, 9.0, clipped=0.02, channel_ranges=channel_ranges, typical=2.4)
        for channel_ranges in (ranges, ranges + 1)
    )
    (diagnosis,) = diagnose([layer("one", "a")], {"a": few_clipped} | OUT, GRID)
    assert "2 of 40 channels of 'a' reach up to 11.8 and are clipped at 2.54" in diagnosis.causes[0]
    (diagnosis,) = diagnose([layer("one", "a")], {"a": shifted} | OUT, GRID)
    assert "2.0% of 'a' lies beyond its range" in diagnosis.causes[0]


def test_a_layer_with_inherited_error_is_ranked_after_its_source() -> None:
    errors = {"a": error(40.0, 15.0), "b": error(13.0), "one_out": error(13.0), "two_out": error(12.0, None)}
    layers = [layer("two", "b"), layer("one", "a", "b")]
    first, second = diagnose(layers, errors, GRID)
    assert (first.layer, second.layer) == ("one", "two")
    assert second.causes == ["its input 'b' already arrives with 13.0 dB"]


def test_the_worst_come_first_and_at_most_five() -> None:
    values = [18.0, 3.0, 25.0, 9.0, 16.0, 12.0, 6.0, 40.0]
    layers = [layer(f"l{i}", "a") for i in range(len(values))]
    errors = {"a": error(60.0), **{f"l{i}_out": error(value, None) for i, value in enumerate(values)}}
    diagnoses = diagnose(layers, errors, GRID)
    assert [diagnosis.sqnr_db for diagnosis in diagnoses] == [3.0, 6.0, 9.0, 12.0, 16.0]
    assert [diagnosis.layer for diagnosis in diagnoses] == ["l1", "l6", "l3", "l5", "l4"]


def test_a_good_model_reports_only_its_worst_layer() -> None:
    layers = [layer("l0", "a"), layer("l1", "a"), layer("move", "a", role="move"), layer("unknown", "a")]
    errors = {"a": error(60.0), "l0_out": error(34.0), "l1_out": error(31.0), "move_out": error(25.0)}
    assert [diagnosis.layer for diagnosis in diagnose(layers, errors, GRID)] == ["l1"]
    assert diagnose([], {}, {}) == []


def test_low_bit_weights_are_advised_to_use_adaptive_rounding() -> None:
    weights = random(6, 8, 3, 3) * 0.1
    weights[:, 0, 0, 0] = 3
    model = build([node("Conv", ["x", "w"], "y")], {"x": ["N", 8, 10, 10]}, {"y": ["N", 6, 8, 8]}, {"w": weights})
    quiet = NORMAL.copy()
    quiet[:, 0] *= 0.01
    result = octavo.quantize(model, quiet, "octavo", weight_bits=4, evaluate=quiet, threads=1)
    assert result.diagnosis[0].sqnr_db < 20
    assert "its weights have 15 levels only" in result.diagnosis[0].causes[0]
    assert "`rungs='round'`" in result.diagnosis[0].causes[0]


def test_an_error_that_is_a_shift_of_means_points_to_bias_correction() -> None:
    errors = {"a": error(40.0), "one_out": error(9.0, None, mean_shift=0.8)}
    (diagnosis,) = diagnose([layer("one", "a")], errors, GRID)
    assert diagnosis.causes == [
        "80% of the error of 'one_out' is a shift of its channels' means: correct the biases (`rungs='correct'`)"
    ]


def test_a_part_on_the_grid_of_a_packed_tensor_is_not_taken_for_outliers_of_calibration() -> None:
    small = error(9.0, 9.0, channel_ranges=np.full(8, 0.1))
    evidence = Evidence(calibrated={"a": 0.12}, samples=8, sources={"a": "packed"})
    (diagnosis,) = diagnose([layer("one", "a")], {"a": small} | OUT, GRID, evidence)
    assert "'a' stays below 0.1 and shares the grid of 'packed', which reaches 2.56" in diagnosis.causes[0]
    (diagnosis,) = diagnose([layer("one", "a")], {"a": small} | OUT, GRID, Evidence(calibrated={"a": 2.56}))
    assert "the calibration samples hold outliers" in diagnosis.causes[0]


def test_a_constant_error_is_all_mean_shift_and_noise_is_hardly_any() -> None:
    sums = _Sums(None)
    x = np.random.default_rng(0).normal(size=(64, 4, 8, 8)).astype(np.float32)
    sums.update(x, x + np.float32([0, 1, -2, 3]).reshape(4, 1, 1))
    assert sums.result().mean_shift == pytest.approx(1.0, rel=1e-4)
    sums = _Sums(None)
    sums.update(x, x + np.random.default_rng(1).normal(size=x.shape).astype(np.float32))
    assert sums.result().mean_shift < 0.01
