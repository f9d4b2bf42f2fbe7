"""`octavo.evaluation`: metrics with their data, on real models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from sklearn.metrics import mean_squared_error, roc_auc_score, top_k_accuracy_score
from tests.helpers.models import Arrays, build, node, random, run

import octavo
from octavo import evaluation
from octavo.measure import MetricResult

CLASSES = {"top5": 7, "auc": 2}


def model(classes: int) -> Any:
    nodes = [node("Gemm", ["x", "w", "b"], "h"), node("Relu", ["h"], "r"), node("Gemm", ["r", "v"], "y")]
    weights = {"w": random(12, 16).T.copy().T, "b": random(16), "v": random(16, classes, seed=3)}
    return build(nodes, {"x": ["N", 12]}, {"y": ["N", classes]}, weights)


def held_out(float_model: Any) -> Arrays:
    """Inputs, labels that the float model mostly predicts, and a target near its output."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 12)).astype(np.float32)
    y = run(float_model, {"x": x})["y"]
    labels = (y + 0.3 * rng.normal(size=y.shape)).argmax(1)
    return {"x": x, "labels": labels, "target": y + np.float32(0.05)}


def quantize(float_model: Any, evaluate: Any) -> octavo.QuantizationResult:
    calibration = np.random.default_rng(0).normal(size=(64, 12)).astype(np.float32)
    return octavo.quantize(float_model, calibration, "octavo", evaluate=evaluate, verify=False, threads=1)


def _expected(name: str, y: np.ndarray, floats: np.ndarray, arrays: Arrays) -> float:
    labels, target = arrays["labels"], arrays["target"].astype(np.float64)
    errors = ((y.astype(np.float64) - target) ** 2).mean(1)
    return {
        "top1": lambda: 100 * np.mean(y.argmax(1) == labels),
        "top5": lambda: 100 * top_k_accuracy_score(labels, y, k=5, labels=range(7)),
        "auc": lambda: 100 * roc_auc_score(labels, y[:, 1]),
        "mse": lambda: mean_squared_error(target, y),
        "psnr": lambda: np.mean(10 * np.log10((1 if target.max() <= 1 else 255.0**2) / errors)),
        "cosine": lambda: np.mean((y * target).sum(1) / np.linalg.norm(y, axis=1) / np.linalg.norm(target, axis=1)),
        # Four numbers of random weights have no form of class scores.
        "agreement": lambda: (
            100 - 100 * np.linalg.norm(y - floats, axis=1).mean() / np.linalg.norm(floats, axis=1).mean()
        ),
    }[name]()


@pytest.mark.parametrize("name", ["top1", "top5", "auc", "mse", "psnr", "cosine", "agreement"])
def test_each_function_computes_its_metric(name: str) -> None:
    float_model = model(CLASSES.get(name, 4))
    arrays = held_out(float_model)
    result = quantize(float_model, getattr(evaluation, name)(arrays))
    metric = result.metric
    assert isinstance(metric, MetricResult)
    assert metric.name == name
    floats = run(float_model, {"x": arrays["x"]})["y"]
    assert metric.float_value == pytest.approx(_expected(name, floats, floats, arrays), rel=1e-4)
    quantized = run(ir.to_proto(result.model), {"x": arrays["x"]})["y"]
    assert metric.quantized_value == pytest.approx(_expected(name, quantized, floats, arrays), rel=1e-4)
    assert result.to_dict()["metric"]["drop"] == metric.drop


def test_custom_takes_a_function() -> None:
    def median(outputs: Arrays, reference: Arrays) -> float:
        return -float(np.median(np.abs(outputs["y"] - reference["target"])))

    float_model = model(4)
    metric = quantize(float_model, evaluation.custom(median, held_out(float_model))).metric
    assert metric is not None
    assert metric.name == "median"
    assert metric.float_value == pytest.approx(-0.05, rel=1e-3)
    assert metric.drop == metric.float_value - metric.quantized_value


def test_a_path_and_bare_arrays_are_evaluated_alike(tmp_path: Path) -> None:
    float_model = model(4)
    arrays = held_out(float_model)
    np.savez(tmp_path / "eval.npz", **arrays)
    stated = quantize(float_model, evaluation.top1(tmp_path / "eval.npz")).metric
    assert stated == quantize(float_model, arrays).metric == quantize(float_model, str(tmp_path / "eval.npz")).metric
    bare = quantize(float_model, arrays["x"]).metric
    assert bare is not None
    assert (bare.name, bare.float_value) == ("agreement", 100.0)


def test_evaluating_on_the_calibration_samples_gives_a_warning() -> None:
    calibration = np.random.default_rng(0).normal(size=(64, 12)).astype(np.float32)
    result = quantize(model(4), calibration)
    assert any("64 of 64 evaluation samples are calibration samples too" in warning for warning in result.warnings)
