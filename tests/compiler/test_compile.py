"""Whole models, float operators, errors and the memory plan."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers import models
from tests.helpers.native_build import ROOT
from tests.helpers.qdq import Qdq
from tests.helpers.real_cases import real_case

import octavo
from octavo.compiler import Place, compile_model, read_bundle
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, ModelError

DIGITS = ROOT / "examples" / "digits"
FLOAT = ["conv_relu", "conv_clip", "residual", "concat", "depthwise", "grouped_conv", "conv1d", "mlp", "linear",
         "matmul_bias", "conv_batch_norm", "batch_norm_alone", "channel_arithmetic", "pooling", "gate",
         "idle", ]  # fmt: skip


def opened(folder: Path, content: bytes) -> octavo.engines.native.NativeSession:
    (folder / "model.oct").write_bytes(content)
    return octavo.load(folder / "model.oct")


@pytest.mark.parametrize("name", FLOAT)
def test_float_models_agree_with_onnx_runtime(name: str, tmp_path: Path) -> None:
    """Float sums have another order, so the outputs are equal up to rounding."""
    model = ir.from_proto(models.PATTERNS[name]())
    native, reference = opened(tmp_path, compile_model(model, batch=2)), Session(model, threads=1)
    rng = np.random.default_rng(0)
    feeds = {spec.name: rng.normal(size=spec.shape).astype(np.float32) for spec in native.inputs}
    actual, expected = native.run(feeds), reference.run(feeds)
    assert set(actual) == set(expected)
    for key in expected:
        np.testing.assert_allclose(actual[key], expected[key], rtol=1e-5, atol=1e-5)


def test_a_chain_of_any_length_compiles(tmp_path: Path) -> None:
    names = [f"t{i}" for i in range(1201)]
    nodes = [models.node("Tanh", [one], two) for one, two in pairwise(names)]
    proto = models.build(nodes, {"t0": [1, 8]}, {names[-1]: [1, 8]})
    x = {"t0": np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)}
    actual = opened(tmp_path, compile_model(ir.from_proto(proto))).run(x)[names[-1]]
    np.testing.assert_allclose(actual, Session(proto.SerializeToString(), threads=1).run(x)[names[-1]], atol=1e-4)


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "LeakyRelu", "Softmax", "ReduceMean"])
def test_float_functions_agree_with_onnx_runtime(op: str, tmp_path: Path) -> None:
    model = Qdq()
    attributes = {"axes": [1, 2]} if op == "ReduceMean" else {"axis": 1} if op == "Softmax" else {}
    model.result(model.node(op, [model.input("x", (2, 3, 4, 5))], "y", **attributes), "float32")
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5), scale=3).astype(np.float32)
    expected = Session(model.proto().SerializeToString(), threads=1).run({"x": x})["y"]
    np.testing.assert_allclose(model.run(tmp_path, x), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("target", ["octavo", "x86-vnni"])
def test_the_digits_agree_with_onnx_runtime(target: str, tmp_path: Path) -> None:
    """The inputs of the head differ by at most one step, which changes a logit by far less than 1% of their range."""
    model = octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", target=target).model
    with np.load(DIGITS / "eval.npz") as file:
        images = file["image"]
    native = opened(tmp_path, compile_model(model, batch=len(images)))
    actual = native(images)
    expected = Session(model, threads=1).run({"image": images})["logits"]
    assert isinstance(actual, np.ndarray)
    assert np.abs(actual - expected).max() <= 0.01 * np.abs(expected).max()
    assert (actual.argmax(1) == expected.argmax(1)).mean() >= 0.999


@pytest.mark.slow
@pytest.mark.parametrize("target", ["octavo", "x86-vnni"])
@pytest.mark.parametrize("name", ["resnet8_cifar10", "resnet20_cifar10", "dscnn_kws", "autoencoder_ad"])
def test_real_models_agree_with_onnx_runtime(name: str, target: str, tmp_path: Path) -> None:
    """ONNX Runtime rounds some ties differently, which changes an integer by one; later layers amplify this."""
    case = real_case(name)
    subset = {key: array[:64] for key, array in case.calibration.items()}
    model = octavo.quantize(case.model, subset, target=target).model
    native, reference = opened(tmp_path, compile_model(model)), Session(model, threads=1)
    (spec,) = native.inputs
    samples = case.evaluation[spec.name][:100].astype(np.float32)
    pairs = []
    for x in samples:
        actual, expected = native(x[np.newaxis]), reference.run({spec.name: x[np.newaxis]})
        assert isinstance(actual, np.ndarray)
        pairs.append((actual, next(iter(expected.values()))))
    largest = max(float(np.abs(expected).max()) for _, expected in pairs)
    assert max(float(np.abs(a - b).max()) for a, b in pairs) <= 0.05 * largest
    assert np.mean([a.argmax() == b.argmax() for a, b in pairs]) >= 0.97


def test_all_unsupported_operators_are_named_in_one_error() -> None:
    model = models.build(
        [models.node("Cos", ["x"], "a"), models.node("Relu", ["a"], "b"), models.node("CumSum", ["b", "axis"], "y")],
        {"x": [1, 4]},
        {"y": [1, 4]},
        {"axis": np.array(1)},
    )
    with pytest.raises(ModelError, match=r"no kernel for Cos \(.*\), CumSum \(.*\); run") as caught:
        compile_model(ir.from_proto(model))
    assert len(str(caught.value).splitlines()) == 1


def test_compiling_is_deterministic_and_live_buffers_do_not_overlap() -> None:
    model = octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", target="octavo").model
    content = compile_model(model)
    assert content == compile_model(model)
    bundle = read_bundle(content)
    spans: dict[int, tuple[int, int]] = {}
    for number, operator in enumerate(bundle.operators):
        for index in (operator.output, *operator.inputs):
            if bundle.tensors[index].place is Place.ARENA:
                first, _ = spans.get(bundle.tensors[index].offset, (number, number))
                spans[bundle.tensors[index].offset] = (first, number)
        result = bundle.tensors[operator.output]
        for index in operator.inputs:
            other = bundle.tensors[index]
            if result.place is other.place is Place.ARENA:
                assert result.offset + result.size <= other.offset or other.offset + other.size <= result.offset
    arena = [tensor for tensor in bundle.tensors if tensor.place is Place.ARENA]
    assert all(tensor.offset % 64 == 0 and tensor.offset + tensor.size <= bundle.arena_bytes for tensor in arena)
    assert bundle.arena_bytes < sum(tensor.size for tensor in arena)


def test_wrong_inputs_are_refused_with_one_sentence(tmp_path: Path) -> None:
    model = Qdq()
    model.result(model.node("Relu", [model.input("x", (2, 3))], "y"), "float32")
    native = octavo.load(model.bundle(tmp_path / "m.oct"))
    with pytest.raises(DataError, match=r"of shape \(3, 2\); the model was compiled for \(2, 3\)"):
        native(np.zeros((3, 2), np.float32))
    with pytest.raises(DataError, match="of int64; the model takes float32"):
        native(np.zeros((2, 3), np.int64))
    with pytest.raises(DataError, match="needs the input 'x'"):
        native.run({})
    with pytest.raises(DataError, match="takes no input 'z'"):
        native.run({"z": np.zeros((2, 3), np.float32)})
    with pytest.raises(ModelError, match=r"none\.oct cannot be opened"):
        octavo.load(tmp_path / "none.oct")


def test_an_output_that_is_an_input_or_a_constant_is_copied(tmp_path: Path) -> None:
    model = Qdq()
    x = model.input("x", (2, 3))
    model.result(model.node("Identity", [x], "y"), "float32")
    model.result(model.node("Identity", [model.node("Relu", [x], "r")], "z"), "float32")
    model.result("r", "float32")
    values = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    y, z, r = octavo.load(model.bundle(tmp_path / "m.oct"))(values)
    np.testing.assert_array_equal(y, values)
    np.testing.assert_array_equal(z, np.maximum(values, 0))
    np.testing.assert_array_equal(r, z)
