"""The result: the saved file, the JSON and the text, and their agreement with the model."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.helpers.jobs import diagnosis, metric, proto, quantized, samples, stated
from tests.helpers.models import conv_relu, run

from octavo.errors import OptionError
from octavo.graph import save
from octavo.graph.plan import LeftFloat
from octavo.pipeline.result import QuantizationResult
from octavo.recover import Step, Verdict


@pytest.fixture(scope="module")
def result() -> QuantizationResult:
    """`conv_relu`, quantized, evaluated and compared layer by layer."""
    quantization = quantized(evaluate=samples(seed=1), verify=True, target="octavo")
    assert quantization.latency_ms is None
    return quantization


def strict(text: str) -> Any:
    """Parse JSON; NaN and Infinity, which Python's parser accepts, are errors."""

    def refuse(token: str) -> None:
        raise AssertionError(f"{token} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_saved_file_is_the_model_of_the_result(result: QuantizationResult, tmp_path: Path) -> None:
    path = result.save(tmp_path / "out.onnx")
    assert path == tmp_path / "out.onnx"
    onnx.checker.check_model(path, full_check=True)
    np.testing.assert_array_equal(run(onnx.load(path), samples())["y"], run(proto(result), samples())["y"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.onnx"]


def test_an_existing_file_is_kept_unless_overwrite_is_set(result: QuantizationResult, tmp_path: Path) -> None:
    path = tmp_path / "out.onnx"
    path.write_text("content")
    with pytest.raises(OptionError, match=r"out\.onnx exists"):
        result.save(path)
    assert path.read_text() == "content"
    result.save(str(path), overwrite=True)
    onnx.checker.check_model(path)


def test_its_text_is_at_most_ten_lines(result: QuantizationResult) -> None:
    text = repr(result)
    assert text == str(result)
    assert len(text.splitlines()) <= 10
    assert text.startswith("QuantizationResult for octavo: agreement")
    assert "2 operators in integers: 2 Conv" in text


def test_the_longest_text_is_at_most_ten_lines() -> None:
    longest = stated(
        metric=metric(),
        latency_ms={"float": 2.0, "quantized": 1.0},
        left_float=[LeftFloat("softmax_y", "Softmax", "exponential")] * 3,
        warnings=["8 samples are too few to tell the drop from noise", "INT8 is slower"],
        steps=[Step("plain", "the target's grids", True, 0.25, [0.0, 0.5], 30.0, 1.0, 1)],
        verdict=Verdict(1.0, "met", 400, None, "budget of 1 points met: top1 drops by 0.25"),
    )
    lines = repr(longest).splitlines()
    assert len(lines) <= 10
    assert lines[0] == "QuantizationResult for x86-vnni: budget of 1 points met: top1 drops by 0.25"
    assert lines[-1] == "  2 warnings, the first: 8 samples are too few to tell the drop from noise"


def test_a_result_cannot_be_changed(result: QuantizationResult) -> None:
    with pytest.raises(FrozenInstanceError):
        result.target = "x86-vnni"  # type: ignore[misc]


def test_saving_into_a_missing_folder_is_refused(result: QuantizationResult, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="choose a folder that exists"):
        result.save(tmp_path / "missing" / "out.onnx")
    with pytest.raises(OptionError, match="cannot be written"):
        result.write_json(tmp_path / "missing" / "out.json")


def test_a_large_model_stores_its_tensors_in_a_second_file(
    result: QuantizationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(save.__globals__, "LARGEST_PROTO", 100)
    expected = run(proto(result), samples())["y"]
    path = result.save(tmp_path / "out.onnx")
    result.save(path, overwrite=True)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.onnx", "out.onnx.data"]
    np.testing.assert_array_equal(run(onnx.load(path), samples())["y"], expected)


def test_json_holds_every_field_and_reads_back(result: QuantizationResult, tmp_path: Path) -> None:
    result.write_json(tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text(encoding="utf-8")
    parsed = strict(text)
    assert set(parsed) == set(result.__dict__) - {"model", "float_model", "state"}
    assert parsed["recipe"]["tensors"] == result.recipe.tensors
    assert parsed["metric"]["name"] == "agreement"
    assert parsed["metric"]["samples"] == parsed["calibration_samples"] == 8
    assert [layer["name"] for layer in parsed["layers"]] == ["conv_c", "conv_y"]
    assert all(proof["holds"] and 0 < proof["bound"] < 2**31 for proof in parsed["proofs"])


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_json_has_null_for_nan_and_infinity(number: float) -> None:
    non_finite = stated(
        metric=metric(quantized_value=number, drop=number, ci95=(number, 0.5)),
        diagnosis=[diagnosis(sqnr_db=number)],
        latency_ms={"float": 1.0, "quantized": number},
    )
    plain = strict(non_finite.to_json())
    assert plain["metric"]["quantized"] is None
    assert plain["metric"]["drop"] is None
    assert plain["metric"]["drop_ci95"] == [None, 0.5]
    assert plain["diagnosis"][0]["sqnr_db"] is None
    assert plain["latency_ms"] == {"float": 1.0, "quantized": None}


def test_json_keeps_unicode_names() -> None:
    operator = LeftFloat('/层/"Conv"\n', "Conv", "excluded by 'été'")
    assert strict(stated(left_float=[operator]).to_json())["left_float"] == [operator.__dict__]
    assert "/层/" in stated(left_float=[operator]).to_json()


def test_json_names_the_drop_and_its_interval() -> None:
    parsed = strict(stated(metric=metric()).to_json())["metric"]
    assert (parsed["float"], parsed["quantized"], parsed["drop"]) == (98.5, 98.25, 0.25)
    assert parsed["drop_ci95"] == [-0.125, 0.5]
    assert strict(stated(metric=replace(metric(), ci95=None)).to_json())["metric"]["drop_ci95"] is None


def test_layers_report_the_scales_of_the_model(result: QuantizationResult) -> None:
    model = proto(result)
    initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    stored = set()
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            scale, *zero_point = (initializers[name].reshape(-1).tolist() for name in node.input[1:])
            stored.add((tuple(scale), tuple(zero_point[0] if zero_point else [0] * len(scale))))
    for layer in result.layers:
        for tensor in [*layer.inputs, *layer.weights, *([layer.output] if layer.output else [])]:
            assert (tuple(tensor.scale), tuple(tensor.zero_point)) in stored, f"{layer.name}: {tensor.tensor}"


def test_the_parameters_of_a_layer_are_those_of_its_output(result: QuantizationResult) -> None:
    first = result.layers[0]
    assert first.output is not None
    assert (first.grid, first.scale, first.zero_point) == ("uint8", first.output.scale, first.output.zero_point)
    assert first.fused == ["relu_r"]
    assert [weight.axis for weight in first.weights] == [0, 0]
    assert [len(weight.scale) for weight in first.weights] == [8, 8]
    assert [weight.grid for weight in first.weights] == ["int8[-127,127]", "int32"]


def test_the_error_of_a_layer_is_that_of_its_output(result: QuantizationResult) -> None:
    inputs = samples(seed=1)
    exact, rounded = run(conv_relu(), inputs)["y"], run(proto(result), inputs)["y"]
    noise = float(((exact - rounded).astype(np.float64) ** 2).sum())
    expected = 10 * math.log10(float((exact.astype(np.float64) ** 2).sum()) / noise)
    assert result.layers[-1].sqnr_db == pytest.approx(expected, abs=0.05)
    assert [layer.sqnr_db for layer in quantized().layers] == [None, None]


def test_the_quantized_size_is_that_of_its_file(result: QuantizationResult, tmp_path: Path) -> None:
    assert result.size_bytes["quantized"] == result.save(tmp_path / "out.onnx").stat().st_size
