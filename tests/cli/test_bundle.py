"""The commands around bundles: compile, run, inspect, bench."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.command_line import Octavo, Refused

import octavo as package
from octavo.compiler import read_bundle


@pytest.fixture
def compiled(octavo: Octavo, quantize: Octavo, work: Path) -> Path:
    quantize()
    result = octavo("compile", "out.onnx", "-o", "digits.oct", "--batch", 2)
    assert (result.code, result.err) == (0, "")
    with np.load("eval.npz") as file:
        np.save("x.npy", file["image"][:2])
    return work / "digits.oct"


def test_a_bundle_runs(octavo: Octavo, compiled: Path) -> None:
    assert octavo("run", "digits.oct", "--input", "x.npy", "-o", "y.npy").code == 0
    np.testing.assert_array_equal(np.load("y.npy"), package.load(compiled)(np.load("x.npy")))
    assert octavo("run", "digits.oct", "--input", "x.npy", "-o", "two.npy", "--threads", 2).code == 0
    np.testing.assert_array_equal(np.load("two.npy"), np.load("y.npy"))
    np.savez("x.npz", image=np.load("x.npy"))
    assert octavo("run", "digits.oct", "--input", "x.npz", "-o", "y.npz").code == 0
    with np.load("y.npz") as file:
        np.testing.assert_array_equal(file["logits"], np.load("y.npy"))


def test_inspect_shows_operators_and_the_plan(octavo: Octavo, compiled: Path) -> None:
    result = octavo("inspect", "digits.oct")
    assert result.code == 0
    for text in ("input image: float32 [2, 1, 8, 8]", "DepthwiseConv", "output 0", "share"):
        assert text in result.out


def test_a_bundle_takes_any_batch_unless_it_is_fixed(
    octavo: Octavo, refused: Refused, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert octavo("compile", "out.onnx", "-o", "any.oct", "--dim", "batch=1..64").code == 0
    result = octavo("inspect", "any.oct")
    assert "dynamic sizes: batch 1…64; shown at the sizes it was compiled for" in result.out
    assert "image: float32 [1, 1, 8, 8]" in result.out
    assert octavo("run", "any.oct", "--input", "x.npy", "-o", "y.npy").code == 0
    np.testing.assert_array_equal(np.load("y.npy"), package.load(compiled)(np.load("x.npy")))
    result = octavo("bench", "any.oct", "--batch-size", 5, "--seconds", 0.1)
    assert "batch 5, 1 thread" in result.out
    np.save("many.npy", np.zeros((65, 1, 8, 8), np.float32))
    assert "takes 1 to 64 and was given 65" in refused("run", "any.oct", "-i", "many.npy", "-o", "z.npy")
    assert "write for example" in refused("compile", "out.onnx", "-o", "new.oct", "--dim", "batch=1..x")
    assert "no dynamic dimension 'time'" in refused("compile", "out.onnx", "-o", "new.oct", "--dim", "time=4")


def test_bench_times_bundles_and_models(octavo: Octavo, compiled: Path) -> None:
    result = octavo("bench", "digits.oct", "out.onnx", "--threads", 1, "--seconds", 0.1, "--energy")
    assert (result.code, result.err) == (0, "")
    assert result.out.count("digits.oct") == 2
    assert "ONNX Runtime and native" in result.out
    assert "batch 1, 1 thread," in " ".join(result.out.split())
    result = octavo("bench", "digits.oct", "--threads", 2, "--seconds", 0.1)
    assert "batch 1, 2 threads," in " ".join(result.out.split())


def test_bench_shows_the_time_of_each_operator(
    octavo: Octavo, refused: Refused, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    result = octavo("bench", "digits.oct", "out.onnx", "--seconds", 0.1, "--operators", "--json", "bench.json")
    assert (result.code, result.err) == (0, "")
    for text in ("Operators of digits.oct", "GOPS", "DepthwiseConv"):
        assert text in result.out
    bundle, other = json.loads(Path("bench.json").read_text())["models"]
    assert other["operators"] is None
    names = [operator.name for operator in read_bundle(compiled.read_bytes()).operators]
    assert [entry["name"] for entry in bundle["operators"]] == names
    # The operators account for nearly all of the time of a run.
    total = sum(entry["milliseconds"] for entry in bundle["operators"])
    assert 0 < total < 10 * bundle["median_ms"]
    for entry in bundle["operators"]:
        assert (entry["gops"] is not None) == (entry["kind"] in ("Conv", "DepthwiseConv", "MatMul"))
    assert "needs a bundle" in refused("bench", "out.onnx", "--operators")
    assert "exists" in refused("bench", "digits.oct", "--json", "bench.json")


def test_errors_are_one_sentence(refused: Refused, compiled: Path) -> None:
    Path("broken.oct").write_bytes(compiled.read_bytes()[:-64])
    np.savez("other.npz", picture=np.zeros(3, np.float32))
    np.save("wide.npy", np.zeros((3, 1, 8, 8), np.float32))
    assert "exists" in refused("compile", "out.onnx", "-o", "digits.oct")
    assert "does not exist" in refused("compile", "none.onnx", "-o", "new.oct")
    assert "damaged" in refused("run", "broken.oct", "-i", "x.npy", "-o", "y.npy")
    assert "'image'" in refused("run", "digits.oct", "-i", "other.npz", "-o", "y.npy")
    assert "compiled for" in refused("run", "digits.oct", "-i", "wide.npy", "-o", "y.npy")
    assert ".npy or .npz" in refused("run", "digits.oct", "-i", "x.npy", "-o", "y.txt")
    assert "cannot be opened" in refused("bench", "none.oct")
