"""`octavo quantize`: the output format, chosen by suffix or by `--format`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.helpers.command_line import Octavo, Refused

import octavo as package
from octavo.compiler import compile_model


def test_a_bundle_holds_what_compiling_the_qdq_model_gives(octavo: Octavo, quantize: Octavo, work: Path) -> None:
    quantize()
    result = quantize(output="x.oct")
    assert (result.code, result.err) == (0, "")
    assert octavo("compile", "out.onnx", "-o", "y.oct").code == 0
    assert (work / "x.oct").read_bytes() == (work / "y.oct").read_bytes()
    with np.load("eval.npz") as file:
        images = file["image"][:3]
    np.testing.assert_array_equal(package.load("x.oct")(images), package.load("y.oct")(images))


def test_format_overrides_the_suffix(quantize: Octavo, work: Path) -> None:
    assert quantize("--format", "qdq", output="x.oct").code == 0
    assert quantize("--format", "bundle", output="y.onnx").code == 0
    assert quantize(output="z.bin").code == 0
    assert (work / "y.onnx").read_bytes() == compile_model(work / "x.oct")
    assert (work / "z.bin").read_bytes() == (work / "x.oct").read_bytes()


def test_an_unknown_format_is_refused(refused: Refused, work: Path) -> None:
    message = refused("quantize", "digits.onnx", "-c", "calib.npz", "-o", "x.oct", "--format", "tflite")
    assert "there is no output format 'tflite'; choose qdq" in message
    assert not (work / "x.oct").exists()
