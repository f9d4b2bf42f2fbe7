"""What each layer takes in the native runtime, in a result, on its page, and where there is no such figure."""

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
    assert all(each is not None and each > 0 for each in times)
    assert sum(each or 0 for each in times) <= native.milliseconds * (1 + 1e-9)


def test_the_page_says_what_a_layer_takes(digits: octavo.QuantizationResult, tmp_path: Path) -> None:
    page = digits.report(tmp_path / "page.html").read_text()
    assert "native ms" in page
    assert "time in the native runtime" in page
    assert f"In the native runtime ({octavo.cpu().runs}, 1 thread, batch 1)" in page


def test_a_model_that_does_not_compile_says_why() -> None:
    model = ir.from_proto(
        models.build([models.node("CumSum", ["x", "axis"], "y")], {"x": [1, 4]}, {"y": [1, 4]}, {"axis": np.array(1)})
    )
    samples = open_samples({"x": np.zeros((3, 4), np.float32)}, input_specs(model))
    found = native_time(model, [], samples, 1, 0.1)
    assert found.milliseconds is None
    assert "no kernel for CumSum" in found.why


def test_the_line_says_why_there_is_no_figure(digits: octavo.QuantizationResult) -> None:
    plain = digits.to_dict()
    plain["native"] = {"milliseconds": None, "isa": "", "why": "it is no good"}
    assert summary.native_line(plain) == "Layers were not timed in the native runtime: it is no good."
    plain["native"] = None
    assert summary.native_line(plain) == "Layers were not timed in the native runtime."


def test_what_is_not_verified_is_not_timed() -> None:
    found = octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", "octavo", threads=1, verify=False)
    assert found.native is None
    assert all(layer.native_ms is None for layer in found.layers)
