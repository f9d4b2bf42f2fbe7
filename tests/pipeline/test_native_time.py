"""Time of each layer in the native runtime: in a result, on its page, and the reason where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers import models

import octavo
from octavo.data import open_samples
from octavo.graph import input_specs
from octavo.pipeline.native_time import native_time
from octavo.report import summary

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def digits() -> octavo.QuantizationResult:
    return octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", "octavo", threads=1)


def test_every_layer_of_the_digits_is_timed(digits: octavo.QuantizationResult) -> None:
    native = digits.native
    assert native is not None
    assert (native.why, native.isa) == ("", octavo.cpu().runs)
    assert native.milliseconds is not None
    times = [layer.native_ms for layer in digits.layers if layer.op in ("Conv", "Gemm")]
    assert all(time is not None and time > 0 for time in times)
    assert sum(time or 0 for time in times) <= native.milliseconds * (1 + 1e-9)


def test_the_page_shows_the_time_of_a_layer(digits: octavo.QuantizationResult, tmp_path: Path) -> None:
    page = digits.report(tmp_path / "page.html").read_text()
    assert "native ms" in page
    assert "time in the native runtime" in page
    assert f"In the native runtime ({octavo.cpu().runs}, 1 thread, batch 1)" in page


def test_a_model_that_does_not_compile_has_the_reason() -> None:
    model = ir.from_proto(
        models.build([models.node("CumSum", ["x", "axis"], "y")], {"x": [1, 4]}, {"y": [1, 4]}, {"axis": np.array(1)})
    )
    samples = open_samples({"x": np.zeros((3, 4), np.float32)}, input_specs(model))
    result = native_time(model, [], samples, 1, 0.1)
    assert result.milliseconds is None
    assert "no kernel for CumSum" in result.why


def test_the_line_gives_the_reason_without_a_time(digits: octavo.QuantizationResult) -> None:
    plain = digits.to_dict()
    plain["native"] = {"milliseconds": None, "isa": "", "why": "no kernel"}
    assert summary.native_line(plain) == "Layers were not timed in the native runtime: no kernel."
    plain["native"] = None
    assert summary.native_line(plain) == "Layers were not timed in the native runtime."


def test_without_verification_nothing_is_timed() -> None:
    result = octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", "octavo", threads=1, verify=False)
    assert result.native is None
    assert all(layer.native_ms is None for layer in result.layers)
