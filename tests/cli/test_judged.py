"""What the command line judges: every output, by the figure that fits it, wherever its samples lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.helpers.command_line import Octavo, Refused
from tests.helpers.models import (
    Arrays,
    boxes_and_scores,
    embedder,
    feeds,
    one_probability,
    run,
    selected_rows,
    time_major,
    two_outputs,
    without_batch,
)

Judged = Callable[..., dict[str, Any]]


@pytest.fixture
def judged(octavo: Octavo, work: Path) -> Judged:
    """Quantize a model with random held-out samples; returns the JSON result with the text as `text`."""

    def call(model: onnx.ModelProto, *options: object, reference: Arrays | None = None) -> dict[str, Any]:
        lay(model, reference or {})
        ended = octavo(
            "quantize", "model.onnx", "-c", "calib.npz", "-e", "eval.npz", "-o", "out.onnx", "-t", "octavo",
            "--json", "out.json", "--threads", 1, "--force", *options,
        )  # fmt: skip
        assert ended.code == 0, ended.err
        return {**json.loads(Path("out.json").read_text()), "text": " ".join(ended.out.split())}

    return call


def lay(model: onnx.ModelProto, reference: Arrays) -> None:
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", **rows(model, 64, 1))
    np.savez("eval.npz", **rows(model, 96, 2), **reference)


def rows(model: onnx.ModelProto, count: int, seed: int) -> Arrays:
    """Random samples, also for a model of one sample."""
    parts = [feeds(model, 1000 * seed + i, 1) for i in range(count)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def sqnr(outputs: str) -> float:
    """The SQNR of one output of out.onnx over eval.npz, in dB."""
    with np.load("eval.npz") as file:
        x = {"x": file["x"]}
    floats, ours = (run(onnx.load(name), x)[outputs] for name in ("model.onnx", "out.onnx"))
    return float(10 * np.log10((floats**2).sum() / ((floats - ours) ** 2).sum()))


def test_every_output_has_a_figure_and_the_worst_is_judged(judged: Judged) -> None:
    result = judged(two_outputs())
    metric = result["metric"]
    assert [each["name"] for each in metric["outputs"]] == ["first", "second"]
    for each in metric["outputs"]:
        assert each["sqnr_db"] == pytest.approx(sqnr(each["name"]), abs=0.3)
        assert each["worst_db"] < each["sqnr_db"]
    worst = min(metric["outputs"], key=lambda each: each["value"])
    assert (metric["output"], metric["quantized"]) == (f"output '{worst['name']}'", worst["value"])
    assert f"agreement of output '{worst['name']}' is judged by relative error of the whole" in result["text"]
    assert "lowest SQNR: output " in result["text"]


def test_a_metric_of_one_output_warns_of_the_other(judged: Judged) -> None:
    metric = judged(two_outputs(), "--metric", "first:mse")["metric"]
    assert (metric["name"], metric["output"]) == ("mse", "output 'first'")
    first, second = metric["outputs"]
    lost = second["sqnr_db"] < min(25, first["sqnr_db"] - 10)
    warnings = judged(two_outputs(), "--metric", "first:mse")["warnings"]
    assert any("--metric second:agreement" in each or "second:agreement" in each for each in warnings) == lost


def test_boxes_and_scores_are_judged_apart(judged: Judged) -> None:
    metric = judged(boxes_and_scores())["metric"]
    assert [each["part"] for each in metric["outputs"]] == ["columns 0–3", "columns 4–6"]
    assert "differ in size" in metric["why"]


@pytest.mark.parametrize("model", [time_major, without_batch])
def test_samples_are_counted_wherever_they_lie(model: Callable[[], onnx.ModelProto], judged: Judged) -> None:
    metric = judged(model())["metric"]
    assert metric["samples"] == metric["groups"] == 96
    assert metric["drop_ci95"][0] <= metric["drop"] <= metric["drop_ci95"][1]


def test_rows_that_the_model_selects_are_matched(judged: Judged) -> None:
    metric = judged(selected_rows())["metric"]
    assert metric["figure"] == "rows that both models have"
    assert metric["samples"] == 96
    assert 50 < metric["quantized"] <= 100


@pytest.mark.parametrize("name", ["mse", "cosine"])
def test_other_metrics_of_such_rows_end_in_a_figure_or_a_sentence(name: str, octavo: Octavo, work: Path) -> None:
    lay(selected_rows(), {})
    ended = octavo(
        "quantize", "model.onnx", "-c", "calib.npz", "-e", "eval.npz", "-o", "out.onnx", "-t", "octavo", "--metric",
        name,
    )  # fmt: skip
    assert ended.code in (0, 2)
    assert "Traceback" not in ended.err
    if ended.code == 2:
        assert "which this metric cannot compare" in ended.err
        assert "--metric" in ended.err


def test_embeddings_are_judged_by_cosine_with_neighbours_beside(judged: Judged) -> None:
    metric = judged(embedder())["metric"]
    assert (metric["figure"], metric["why"]) == ("cosine", "it is normalized to length 1")
    assert metric["quantized"] > 99
    assert "nearest neighbour" in metric["outputs"][0]["details"][0]


def test_one_probability_without_labels_and_with(judged: Judged) -> None:
    model = one_probability()
    metric = judged(model)["metric"]
    assert "absolute error" in metric["figure"]
    assert "decisions at 0.5" in metric["outputs"][0]["details"][1]
    labels = (run(model, rows(model, 96, 2))["y"][:, 0] > 0.5).astype(np.int64)
    metric = judged(model, reference={"labels": labels})["metric"]
    assert (metric["name"], metric["float"], metric["figure"]) == ("top1", 100, "decisions at 0.5")
    assert metric["why"] == "the labels are whole numbers"
    assert metric["quantized"] > 90


def test_a_float_model_at_chance_is_said_before_the_verdict(judged: Judged) -> None:
    labels = np.random.default_rng(0).integers(0, 8, 96)
    result = judged(two_outputs(), "--max-drop", 50, "--rungs", "none", reference={"labels": labels})
    assert "of the float model is" in result["warnings"][0]
    assert "no better than" in result["warnings"][0]
    for word in ("preprocessing", "channel order", "label order"):
        assert word in result["warnings"][0]
    assert result["text"].index("label order") < result["text"].index("budget of 50")


def test_cosine_of_one_number_is_refused(refused: Refused, work: Path) -> None:
    lay(one_probability(), {})
    sentence = refused(
        "quantize", "model.onnx", "-c", "calib.npz", "-e", "eval.npz", "-o", "out.onnx", "-t", "octavo", "--metric",
        "cosine",
    )  # fmt: skip
    assert "always 1 or -1" in sentence
    assert "--metric" in sentence


def test_an_unknown_output_is_refused(refused: Refused, work: Path) -> None:
    lay(two_outputs(), {})
    sentence = refused(
        "quantize", "model.onnx", "-c", "calib.npz", "-e", "eval.npz", "-o", "out.onnx", "-t", "octavo", "--metric",
        "third:mse",
    )  # fmt: skip
    assert "the model has no output 'third'; it has first, second" in sentence
