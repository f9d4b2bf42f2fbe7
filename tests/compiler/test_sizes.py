"""Dynamic dimensions: any batch size and sequence length gives the bits of a bundle of fixed sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.helpers import models
from tests.helpers.native_build import ROOT

import octavo
from octavo.compiler import compile_model, read_bundle
from octavo.compiler.program import Program, Size, constant_tensor, new_tensor
from octavo.compiler.sizes import FixedSizeError, SampleLengths, lower_with_open_sizes
from octavo.engines.native import NativeSession
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, ModelError, OptionError

DIGITS = ROOT / "examples" / "digits"
WIDTH, HEADS = 16, 2


def encoder(positions: int = 0) -> onnx.ModelProto:
    """One block of self-attention over a batch of sequences, with a position table if `positions` is not 0."""
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=(WIDTH, WIDTH), scale=0.3).astype(np.float32) for name in ("q", "k", "v", "o")}
    shapes = {"split": np.array([0, -1, HEADS, WIDTH // HEADS]), "joined": np.array([0, -1, WIDTH])}
    nodes, source = [], "x"
    if positions:
        shapes |= {"zero": np.array([0]), "one": np.array([1])}
        weights["positions"] = rng.normal(size=(1, positions, WIDTH)).astype(np.float32)
        nodes += [
            models.node("Shape", ["x"], "length", start=1, end=2),
            models.node("Slice", ["positions", "zero", "length", "one"], "places"),
            models.node("Add", ["x", "places"], "placed"),
        ]
        source = "placed"
    for name, order in (("q", [0, 2, 1, 3]), ("k", [0, 2, 3, 1]), ("v", [0, 2, 1, 3])):
        nodes += [
            models.node("MatMul", [source, name], f"{name}_all"),
            models.node("Reshape", [f"{name}_all", "split"], f"{name}_split"),
            models.node("Transpose", [f"{name}_split"], f"{name}_heads", perm=order),
        ]
    nodes += [
        models.node("MatMul", ["q_heads", "k_heads"], "scores"),
        models.node("Softmax", ["scores"], "shares", axis=-1),
        models.node("MatMul", ["shares", "v_heads"], "mixed"),
        models.node("Transpose", ["mixed"], "turned", perm=[0, 2, 1, 3]),
        models.node("Reshape", ["turned", "joined"], "flat"),
        models.node("MatMul", ["flat", "o"], "out"),
        models.node("Add", ["out", source], "sum"),
        models.node("Relu", ["sum"], "y"),
    ]
    shape = ["batch", "sequence", WIDTH]
    return models.build(nodes, {"x": shape}, {"y": shape}, weights | shapes)


def opened(folder: Path, content: bytes, name: str = "model.oct") -> NativeSession:
    (folder / name).write_bytes(content)
    return octavo.load(folder / name)


@pytest.fixture(scope="module")
def digits() -> ir.Model:
    return octavo.quantize(DIGITS / "digits.onnx", DIGITS / "calib.npz", target="octavo", verify=False).model


@pytest.fixture(scope="module")
def quantized_encoder() -> ir.Model:
    x = np.random.default_rng(1).normal(size=(64, 8, WIDTH)).astype(np.float32)
    return octavo.quantize(ir.from_proto(encoder()), {"x": x}, target="octavo", verify=False).model


@pytest.fixture(scope="module")
def any_length(quantized_encoder: ir.Model, tmp_path_factory: pytest.TempPathFactory) -> NativeSession:
    return opened(tmp_path_factory.mktemp("encoder"), compile_model(quantized_encoder))


def test_every_batch_size_gives_the_bits_of_single_runs(digits: ir.Model, tmp_path: Path) -> None:
    any_batch = opened(tmp_path, compile_model(digits))
    single = opened(tmp_path, compile_model(digits, batch=1), "one.oct")
    assert [spec.shape for spec in any_batch.inputs] == [("batch", 1, 8, 8)]
    assert [spec.shape for spec in any_batch.outputs] == [("batch", 10)]
    with np.load(DIGITS / "eval.npz") as file:
        images = file["image"][:17]
    expected = np.concatenate([np.asarray(single(image[np.newaxis])) for image in images])
    for batch in [*range(1, 18), 3, 17, 1]:
        np.testing.assert_array_equal(any_batch(images[:batch]), expected[:batch])


def test_a_cached_plan_takes_no_more_memory(digits: ir.Model, tmp_path: Path) -> None:
    session = opened(tmp_path, compile_model(digits))
    sizes = []
    for batch in (1, 8, 2, 8, 1):
        session(np.zeros((batch, 1, 8, 8), np.float32))
        sizes.append(session.memory_bytes)
    assert sizes[0] < sizes[1] == sizes[2] == sizes[3] == sizes[4]


def test_the_runtime_memory_plan_is_as_small_as_that_of_the_compiler(digits: ir.Model, tmp_path: Path) -> None:
    session = opened(tmp_path, compile_model(digits))
    for batch in (3, 32):
        session(np.zeros((batch, 1, 8, 8), np.float32))
        fixed = opened(tmp_path, compile_model(digits, batch=batch), "fixed.oct")
        assert session.memory_bytes <= fixed.memory_bytes


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shapes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 40)), min_size=1, max_size=4))
def test_every_length_gives_the_bits_of_a_fixed_bundle(
    quantized_encoder: ir.Model, any_length: NativeSession, tmp_path: Path, shapes: list[tuple[int, int]]
) -> None:
    assert any_length.inputs[0].shape == ("batch", "sequence", WIDTH)
    assert any_length.outputs[0].shape == ("batch", "sequence", WIDTH)
    for batch, length in shapes:
        x = np.random.default_rng(length).normal(size=(batch, length, WIDTH)).astype(np.float32)
        fixed = opened(tmp_path, compile_model(quantized_encoder, batch=batch, dims={"sequence": length}), "fixed.oct")
        np.testing.assert_array_equal(any_length(x), fixed(x))


@pytest.mark.parametrize("positions", [0, 48])
def test_a_float_encoder_agrees_with_onnx_runtime_at_every_length(positions: int, tmp_path: Path) -> None:
    model = ir.from_proto(encoder(positions))
    dims = {"sequence": (1, positions)} if positions else None
    native, reference = opened(tmp_path, compile_model(model, dims=dims)), Session(model, threads=1)
    for batch, length in ((1, 1), (1, 48), (5, 7), (2, 33), (1, 1)):
        x = np.random.default_rng(length).normal(size=(batch, length, WIDTH)).astype(np.float32)
        np.testing.assert_allclose(native(x), reference.run({"x": x})["y"], rtol=1e-4, atol=1e-4)
    if positions:
        with pytest.raises(DataError, match="axis 1 of 'x' takes 1 to 48 and was given 49"):
            native(np.zeros((1, 49, WIDTH), np.float32))


def test_more_shapes_than_the_cache_holds_still_run(digits: ir.Model, tmp_path: Path) -> None:
    session = opened(tmp_path, compile_model(digits))
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    expected = np.asarray(session(images))
    for batch in rng.permutation(np.arange(1, 41)).tolist() * 2:
        np.testing.assert_array_equal(session(images[:batch]), expected[:batch])


def test_inconsistent_sizes_are_refused(tmp_path: Path) -> None:
    shape = ["n", 3]
    model = models.build([models.node("Add", ["a", "b"], "y")], {"a": shape, "b": shape}, {"y": shape})
    session = opened(tmp_path, compile_model(ir.from_proto(model)))
    one, two = np.ones((2, 3), np.float32), np.ones((3, 3), np.float32)
    np.testing.assert_array_equal(session(one, one), 2 * one)
    with pytest.raises(DataError, match="is of size 'n', which is 2 elsewhere, and was given 3"):
        session(one, two)
    # The session still works after the error.
    np.testing.assert_array_equal(session(one, one), 2 * one)


def test_sizes_can_be_fixed_or_bounded(digits: ir.Model, tmp_path: Path) -> None:
    session = opened(tmp_path, compile_model(ir.from_proto(encoder()), batch=2, dims={"sequence": (3, 9)}))
    assert session.inputs[0].shape == (2, "sequence", WIDTH)
    assert read_bundle((tmp_path / "model.oct").read_bytes()).sizes == (Size("sequence", 3, 9),)
    with pytest.raises(DataError, match="takes 3 to 9 and was given 2"):
        session(np.zeros((2, 2, WIDTH), np.float32))
    fixed = opened(tmp_path, compile_model(ir.from_proto(encoder()), dims={"batch": 2, "sequence": 5}))
    assert fixed.inputs[0].shape == (2, 5, WIDTH)
    with pytest.raises(OptionError, match="no dynamic dimension 'time'; it has batch, sequence"):
        compile_model(ir.from_proto(encoder()), dims={"time": 3})
    for bounds in ((5, 5), (5, 3), (1, 1 << 30)):
        with pytest.raises(OptionError, match="bounds are 1 to 16777216, the smaller first"):
            compile_model(ir.from_proto(encoder()), dims={"sequence": bounds})


def test_dimensions_that_must_be_fixed_are_named_with_the_remedy() -> None:
    node = models.node("Relu", ["x"], "y")
    three = models.build([node], {"x": ["a", "b", "c"]}, {"y": ["a", "b", "c"]})
    with pytest.raises(ModelError, match=r"3 dimensions of the inputs are dynamic \(a, b, c\) .* `dims=\{'c': 128\}`"):
        compile_model(ir.from_proto(three))
    with pytest.raises(
        OptionError, match=r"the constant 'places' grows with 'sequence'; .*`dims=\{'sequence': \(1, 512\)\}`"
    ):
        compile_model(ir.from_proto(encoder(48)))
    pool = models.build(
        [models.node("MaxPool", ["x"], "y", kernel_shape=[2], strides=[2])], {"x": [1, 3, "time"]}, {"y": [1, 3, "t"]}
    )
    with pytest.raises(
        ModelError, match=r"'time' cannot stay open \(.* a polynomial in it\); fix it with `dims=\{'time'"
    ):
        compile_model(ir.from_proto(pool))
    bounds = {name: np.array([value]) for name, value in (("zero", 0), ("most", 100), ("axis", 1))}
    head = models.build(
        [models.node("Slice", ["x", "zero", "most", "axis"], "y")], {"x": [1, "time"]}, {"y": [1, "t"]}, bounds
    )
    with pytest.raises(ModelError, match="'time' cannot stay open"):
        compile_model(ir.from_proto(head))
    assert compile_model(ir.from_proto(head), dims={"time": (1, 100)})
    shape = {"shape": np.array([1, 12])}
    single = models.build([models.node("Reshape", ["x", "shape"], "y")], {"x": ["n", 3, 4]}, {"y": [1, 12]}, shape)
    with pytest.raises(ModelError, match=r"'n' cannot stay open \(.*Reshape.*\); fix it with `batch=1`"):
        compile_model(ir.from_proto(single))
    assert compile_model(ir.from_proto(single), batch=1)


@settings(max_examples=60, deadline=None)
@given(
    coefficients=st.tuples(*[st.integers(1, 5)] + [st.integers(0, 4)] * 5),
    lengths=st.tuples(st.integers(1, 30), st.integers(1, 30)),
)
def test_polynomial_dimensions_are_recovered_and_others_refused(
    coefficients: tuple[int, ...], lengths: tuple[int, int]
) -> None:
    a, b, c, d, e, f = coefficients

    def program(at: tuple[int, ...], curve: int = 0) -> Program:
        s, t = at
        fixed = Program()
        result = new_tensor("y", np.float32, (a + b * t + c * t * t + s * (d + e * t + f * t * t) + curve * s * s, 2))
        attributes = {"qmin": 7, "qmax": s + t}
        fixed.add("Quantize", "node", [constant_tensor("c", np.ones(3, np.float32))], result, attributes)
        return fixed

    sizes = [Size("s", 1, 100), Size("t", 1, 90)]
    lowered = lower_with_open_sizes(program, sizes, SampleLengths((2, 4), (1, 2), lengths), 2**31 - 1)
    expected = program(lengths)
    (operation,), (expected_operation,) = lowered.operations, expected.operations
    assert operation.output.shape == expected_operation.output.shape
    assert operation.attributes == expected_operation.attributes
    assert operation.output.buffer.size == expected_operation.output.buffer.size
    with pytest.raises(FixedSizeError, match="axis 0 of tensor 'y' is not a polynomial"):
        lower_with_open_sizes(lambda at: program(at, 1), sizes, SampleLengths((2, 4), (1, 2), lengths), 2**31 - 1)
