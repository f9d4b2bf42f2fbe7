"""The terminal output of a result: its figures, not cut at any usual width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words
from tests.helpers.jobs import diagnosis, metric, quantized, samples, stated

from octavo.graph.plan import LeftFloat
from octavo.graph.proof import OverflowProof
from octavo.pipeline.result import QuantizationResult
from octavo.recover import Step, judge
from octavo.report.terminal.result import show_result

OUTPUT = Path("out.onnx")
FULL: dict[str, Any] = {
    "metric": metric(),
    "size_bytes": {"float": 97_800_000, "quantized": 25_600_000},
    "latency_ms": {"float": 22.81, "quantized": 7.134},
    "proofs": [OverflowProof("conv_c", "Conv", 455_430), OverflowProof("conv_y", "Conv", 2**30)],
    "diagnosis": [diagnosis()],
}


def shown(width: int = WIDE, **figures: Any) -> str:
    return rendered(show_result, stated(**{**FULL, **figures}).to_dict(), OUTPUT, width=width)


def test_the_verdict_holds_metric_size_and_latency() -> None:
    assert shown().startswith("out.onnx for x86-vnni")
    assert rows(shown(), "out.onnx") == [
        ["top1", "98.50", "98.25", "drop 0.25 points (95% interval -0.12 to +0.50; 400 samples)"],
        ["size", "97.8 MB", "25.6 MB", "3.82x smaller"],
        ["latency", "22.8 ms", "7.13 ms", "3.20x faster here, at batch 1"],
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    printed = words(shown(width))
    assert {"98.50", "98.25", "0.25", "-0.12", "+0.50;", "97.8", "25.6", "22.8", "7.13", "3.82x", "3.20x"} <= printed
    assert {"12.3", "dB"} <= printed


def test_an_interval_has_the_digits_of_its_metric() -> None:
    small = metric(name="mse", unit="", float_value=0.01234, quantized_value=0.01266, drop=0.00032, ci95=(-1e-5, 6e-4))
    assert rows(shown(metric=small))[0] == [
        "mse",
        "0.01234",
        "0.01266",
        "drop 0.00032 (95% interval -0.00001 to +0.00060; 400 samples)",
    ]


def test_a_zero_drop_has_no_sign() -> None:
    none = metric(drop=-0.0, ci95=(-0.001, 0.7), samples=1)
    assert "drop 0.00 points (95% interval +0.00 to +0.70; 1 sample)" in shown(metric=none)


def test_a_missing_interval_is_stated() -> None:
    assert "drop 0.25 points (no interval; 400 samples)" in shown(metric=metric(ci95=None))


def test_what_was_not_measured_has_no_row() -> None:
    assert [row[0] for row in rows(shown(metric=None, latency_ms=None))] == ["size"]


def test_larger_and_slower_models_are_stated() -> None:
    text = shown(size_bytes={"float": 1000, "quantized": 2000}, latency_ms={"float": 1.0, "quantized": 4.0})
    assert "2.00x larger" in text
    assert "4.00x slower here" in text


def test_operators_in_float_are_counted_by_reason() -> None:
    left_float = [LeftFloat(f"softmax_{i}", "Softmax", "it needs [an] exponential") for i in range(3)]
    why = "its input '{}' is float (from Conv 'c'), so integers would only add rounding"
    left_float += [LeftFloat(f"relu_{name}", "Relu", why.format(name)) for name in "ab"]
    why = "its input 'x (1)' is float (from Clip 'p (q)'), and a depthwise Conv gains nothing from integers"
    left_float.append(LeftFloat("conv", "Conv", why))
    text = shown(left_float=left_float)
    assert "6 operators left in float:" in text
    assert "  3 Softmax: it needs [an] exponential" in text
    assert "  2 Relu: its input is float, so integers would only add rounding" in text
    assert "  1 Conv: its input is float, and a depthwise Conv gains nothing from integers" in text
    assert "1 operator left in float:" in shown(left_float=left_float[:1])
    assert "nothing is left in float" in shown(left_float=[])


def test_further_reasons_are_counted() -> None:
    left_float = [LeftFloat(f"n{i}", "Op", f"reason {i}") for i in range(20)]
    text = shown(left_float=left_float)
    assert "and 8 more reasons; --json lists all" in text
    assert text.count("Op: reason") == 12


def test_the_proof_shows_the_largest_accumulator() -> None:
    assert "2 accumulators proved not to overflow 32 bits (at most 50.0% used)" in shown()
    assert "no accumulators" in shown(proofs=[])
    products = [
        OverflowProof("matmul_p", "MatMul", 32_512, 66_051),
        OverflowProof("matmul_q", "MatMul", 65_024, 33_025),
    ]
    assert "products of activations hold up to 33025 terms" in shown(proofs=products)


def test_causes_are_listed_below_the_table() -> None:
    diagnoses = [diagnosis(causes=["one", "two [b]"], share=0.25), diagnosis(layer="conv_[y]", sqnr_db=-0.01)]
    text = shown(diagnosis=diagnoses)
    assert rows(text, "Layers with the largest error") == [
        ["Conv conv_c", "", "12.3 dB", "25%"],
        ["Conv conv_[y]", "", "0.0 dB", ""],
    ]
    assert "\n  conv_c: one\n  conv_c: two [b]\n  conv_[y]: a cause\n" in text


def test_each_warning_is_one_line() -> None:
    sentence = "INT8 is slower [here] " * 10
    assert f"warning: {sentence}\n" in shown(80, warnings=[sentence])


def test_time_is_shown_by_stage() -> None:
    assert "1.8 s (prepare 0.2, calibrate 1.5); peak memory 123 MB" in shown()


@pytest.mark.parametrize("width", WIDTHS)
def test_a_real_result_is_not_cut(width: int) -> None:
    result: QuantizationResult = quantized(evaluate=samples(seed=1), verify=True, target="octavo")
    text = rendered(show_result, result.to_dict(), Path("/a/rather/long/folder/" * 5) / OUTPUT, width=width)
    assert "2 operators in integers: 2 Conv" in text
    assert "agreement" in text
    assert f"{result.diagnosis[0].sqnr_db:.1f} dB" in text


def test_rungs_are_listed_and_the_verdict_is_last() -> None:
    kept_step = Step("equalize", "3 pairs [equalized]", True, 0.25, [-0.5, 1.0], 24.8, 2.6, 1)
    reverted_step = Step("round", "weights of 2 layers rounded", False, 0.5, [-0.5, 1.5], 23.3, 3.5, 1)
    idle_step = Step("smooth", "nothing to smooth", False, None, None, None, 0.0, 1)
    text = shown(steps=[kept_step, reverted_step, idle_step], verdict=judge(metric(), 0.5))
    first, second, third = rows(text, "Rungs tried")
    assert first == ["equalize", "+0.25", "24.8 dB", "2.6", "3 pairs [equalized]"]
    assert second == ["round", "+0.50", "23.3 dB", "3.5", "weights of 2 layers rounded; no improvement, discarded"]
    assert third == ["smooth", "", "", "0.0", "nothing to smooth"]
    assert text.splitlines()[-1].startswith("budget of 0.5 points met: top1 drops by 0.25")


def test_the_verdict_is_the_last_line() -> None:
    last = shown(80).splitlines()[-1]
    assert last.startswith("top1 98.50 → 98.25: drop 0.25 points (95% interval -0.12 to +0.50; 400 samples); ")
    assert last.endswith("; 3.82x smaller; 3.20x faster here")
    blind = shown(metric=None, latency_ms=None).splitlines()[-1]
    assert blind == "accuracy was not measured; give `evaluate`; 3.82x smaller"
