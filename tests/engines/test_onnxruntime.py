"""Models in ONNX Runtime: the same outputs for every form of a model, and errors of one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from tests.helpers.jobs import quantized
from tests.helpers.models import PATTERNS, build, conv_relu, feeds, if_subgraph, mlp, node, odd_names, random, run

from octavo.engines import onnxruntime as engine
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, ModelError, UserError
from octavo.graph.spec import TensorSpec


def _refusal(attempt: Callable[[], Any], kind: type[UserError], *parts: str) -> None:
    with pytest.raises(kind) as caught:
        attempt()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


# onnx.reference fails on a grouped ConvTranspose, and returns wrong indices of maxima.
_WRONG_IN_REFERENCE = {"transposed_batch_norm", "pool_with_indices"}


@pytest.mark.parametrize("name", sorted(set(PATTERNS) - _WRONG_IN_REFERENCE))
def test_outputs_are_those_of_the_reference_evaluator(name: str) -> None:
    model = PATTERNS[name]()
    inputs = feeds(model)
    session = Session(model.SerializeToString(), threads=1)
    outputs = session.run(inputs)
    names = [value.name for value in model.graph.output]
    assert list(outputs) == names
    for output, expected in zip(names, ReferenceEvaluator(model).run(names, inputs), strict=True):
        np.testing.assert_allclose(outputs[output], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("outputs", [None, ["r", "y"]])
def test_a_model_in_memory_as_bytes_or_as_a_file_gives_the_same(outputs: list[str] | None, tmp_path: Path) -> None:
    model = conv_relu()
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    inputs, expected = feeds(model), run(conv_relu(), feeds(model), ["y"])
    for form in (ir.from_proto(model), model.SerializeToString(), path, str(path), ir.load(path)):
        actual = Session(form, outputs=outputs, threads=1, optimize=False).run(inputs)
        assert list(actual) == (outputs or ["y"])
        np.testing.assert_array_equal(actual["y"], expected["y"])


def test_external_weights_are_read(tmp_path: Path) -> None:
    model = build([node("MatMul", ["x", "w"], "y")], {"x": [2, 64]}, {"y": [2, 64]}, {"w": random(64, 64)})
    inputs = feeds(model)
    expected = run(model, inputs)["y"]
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    for form in (path, ir.load(path)):
        np.testing.assert_array_equal(Session(form, threads=1, optimize=False).run(inputs)["y"], expected)


@pytest.mark.parametrize("optimize", [False, True])
def test_any_tensor_can_be_an_output(optimize: bool) -> None:
    model, names = conv_relu(), ["r", "x", "c", "w1"]
    inputs = feeds(model)
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.extend(helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in ("r", "c"))
    expected = run(shown, inputs, ["r", "c"])
    actual = Session(ir.from_proto(model), outputs=names, threads=1, optimize=optimize).run(inputs)
    assert list(actual) == names
    np.testing.assert_allclose(actual["c"], expected["c"], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(actual["r"], np.maximum(actual["c"], 0))
    np.testing.assert_array_equal(actual["x"], inputs["x"])
    np.testing.assert_array_equal(actual["w1"], random(8, 4, 3, 3))


def test_unicode_names_are_kept() -> None:
    outputs = Session(ir.from_proto(odd_names()), outputs=["s", "/层/1.0"]).run(feeds(odd_names()))
    assert list(outputs) == ["s", "/层/1.0"]


def test_large_weights_that_only_a_branch_reads_are_found() -> None:
    size = 192
    out = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)
    branch = helper.make_graph([node("MatMul", ["x", "w"], "t")], "branch", [], [out])
    other = helper.make_graph([node("Identity", ["x"], "t")], "other", [], [out])
    nodes = [node("If", ["flag"], "y", then_branch=branch, else_branch=other)]
    model = build(
        nodes,
        {"x": ["N", size], "flag": []},
        {"y": ["N", size]},
        {"w": random(size, size)},
        input_types={"flag": TensorProto.BOOL},
    )
    x = random(2, size)
    outputs = Session(ir.from_proto(model)).run({"x": x, "flag": np.array(True)})
    np.testing.assert_allclose(outputs["y"], x @ random(size, size), rtol=1e-4, atol=1e-4)


def test_the_model_of_the_caller_is_not_modified() -> None:
    model = ir.from_proto(conv_relu())
    before = ir.to_proto(model).SerializeToString(deterministic=True)
    Session(model, outputs=["c"])
    Session(model)
    assert ir.to_proto(model).SerializeToString(deterministic=True) == before


def test_specs_have_names_types_and_dimensions() -> None:
    types = {"a": TensorProto.FLOAT16, "b": TensorProto.INT64, "c": TensorProto.BOOL}
    model = build(
        [node("Cast", ["a"], "x", to=TensorProto.INT64), node("Add", ["x", "b"], "y"), node("Not", ["c"], "z")],
        {"a": ["N", 3], "b": [4, 3], "c": [None]},
        {"z": [None], "y": [4, 3]},
        input_types=types,
        output_types={"y": TensorProto.INT64, "z": TensorProto.BOOL},
    )
    session = Session(model.SerializeToString())
    assert session.inputs == (
        TensorSpec("a", np.dtype(np.float16), ("N", 3)),
        TensorSpec("b", np.dtype(np.int64), (4, 3)),
        TensorSpec("c", np.dtype(np.bool_), (None,)),
    )
    assert session.outputs == (
        TensorSpec("z", np.dtype(np.bool_), (None,)),
        TensorSpec("y", np.dtype(np.int64), (4, 3)),
    )


def test_optimized_and_plain_models_agree() -> None:
    model = mlp()
    inputs = feeds(model)
    fast, plain = (
        Session(ir.from_proto(model), threads=1, optimize=optimized).run(inputs)["y"] for optimized in (True, False)
    )
    np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["conv_relu", "mlp"])
def test_reused_output_buffers_give_the_same_values(name: str) -> None:
    model = PATTERNS[name]()
    reusing, allocating = (Session(model.SerializeToString(), reuse=reuse) for reuse in (True, False))
    for seed, batch in enumerate([2, 2, 3, 3, 2]):
        inputs = feeds(model, seed, batch)
        actual, expected = reusing.run(inputs), allocating.run(inputs)
        assert all(np.array_equal(actual[output], expected[output]) for output in expected)


def test_reused_outputs_have_the_address_of_the_previous_ones() -> None:
    model = conv_relu()
    session = Session(model.SerializeToString(), reuse=True)
    first, second = (next(iter(session.run(feeds(model, seed)).values())) for seed in (0, 1))
    assert first is second


def test_output_shapes_may_depend_on_input_values() -> None:
    nodes = [node("NonZero", ["x"], "places"), node("Cast", ["places"], "y", to=TensorProto.FLOAT)]
    session = Session(build(nodes, {"x": [4]}, {"y": [1, "K"]}).SerializeToString(), reuse=True)
    for row in ([1, 0, 2, 0], [0, 0, 0, 3], [1, 1, 1, 1]):
        assert session.run({"x": np.array(row, np.float32)})["y"].tolist() == [np.flatnonzero(row).tolist()]


def test_the_number_of_threads_is_kept() -> None:
    for threads in (1, 2):
        session = Session(ir.from_proto(mlp()), threads=threads)
        assert session._session.get_session_options().intra_op_num_threads == threads


def _custom() -> bytes:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Mystery", ["x"], ["y"], domain="my")], "g", values[:1], values[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("my", 1)]).SerializeToString()


@pytest.mark.parametrize("outputs", [None, ["y"]])
@pytest.mark.parametrize(
    ("model", "part"),
    [
        (b"not a model", ""),
        (conv_relu().SerializeToString()[:-50], ""),
        (b"", ""),
        ("gone/model.onnx", "gone/model.onnx"),
        (Path("gone/model.onnx"), "gone/model.onnx"),
        (_custom(), "Mystery"),
    ],
    ids=["text", "truncated", "empty", "missing", "missing path", "custom operator"],
)
def test_a_model_that_cannot_be_loaded_is_refused(model: Any, part: str, outputs: list[str] | None) -> None:
    _refusal(lambda: Session(model, outputs=outputs), ModelError, part)


@pytest.mark.parametrize("name", ["nowhere", "then_out"])
def test_a_tensor_that_is_not_in_the_graph_is_named(name: str) -> None:
    _refusal(lambda: Session(ir.from_proto(if_subgraph()), outputs=["c", name]), ModelError, f"'{name}'", "inspect")


IMAGE = feeds(conv_relu())["x"]


@pytest.mark.parametrize(
    ("inputs", "part"),
    [
        ({}, "x"),
        ({"z": IMAGE}, "x"),
        ({"x": IMAGE, "z": IMAGE}, "z"),
        ({"x": IMAGE[:, :2]}, "Expected: 4"),
        ({"x": IMAGE[0]}, "Expected: 4"),
        ({"x": IMAGE.astype(np.float64)}, "double"),
        ({"x": IMAGE.astype(object)}, ""),
    ],
    ids=["none", "wrong name", "one too many", "channels", "rank", "type", "objects"],
)
def test_inputs_that_do_not_fit_are_refused(inputs: dict[str, np.ndarray], part: str) -> None:
    session = Session(conv_relu().SerializeToString())
    _refusal(lambda: session.run(inputs), DataError, "these inputs", part)
    assert session.run({"x": IMAGE})["y"].shape == (2, 6, 8, 8)


def test_a_failure_inside_the_model_is_a_short_error() -> None:
    shape = np.array([7, -1], np.int64)
    model = build([node("Reshape", ["x", "s"], "y")], {"x": ["N", "M"]}, {"y": [7, "K"]}, {"s": shape})
    session = Session(model.SerializeToString())
    assert session.run({"x": np.ones((14, 2), np.float32)})["y"].shape == (7, 4)
    with pytest.raises(DataError, match="Reshape") as caught:
        session.run({"x": np.ones((5, 3), np.float32)})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("flags", "saturates"), [({"avx2"}, True), ({"avx2", "avx_vnni"}, False)])
def test_models_that_would_saturate_integer_kernels_run_without_fusion(
    flags: set[str], saturates: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large weights and large inputs: pairs of products reach 2 * 255 * 127, twice the range of int16."""
    monkeypatch.setattr(engine, "cpu_flags", lambda: flags)
    monkeypatch.setattr(engine.platform, "machine", lambda: "x86_64")
    x = np.ones((2, 4, 8, 8), np.float32)
    for name, expected in (("x86-vnni", saturates), ("x86-avx2", False)):
        model = quantized(target=name).model
        assert engine.would_saturate(model) is expected
        assert engine.would_saturate(ir.to_proto(model).SerializeToString()) is expected
    exact = run(ir.to_proto(model), {"x": x})
    for name, array in engine.Session(model).run({"x": x}).items():
        np.testing.assert_allclose(array, exact[name], atol=1e-5)


def test_weights_quantized_inside_the_model_may_saturate_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "cpu_flags", lambda: {"avx2"})
    monkeypatch.setattr(engine.platform, "machine", lambda: "x86_64")
    for dtype, expected in ((np.int8, True), (np.uint8, False)):
        pair = ["s", "z"]
        nodes = [
            node("QuantizeLinear", ["w", *pair], "q"),
            node("DequantizeLinear", ["q", *pair], "v"),
            node("MatMul", ["x", "v"], "y"),
        ]
        constants = {"w": np.ones((4, 2), np.float32), "s": np.array(0.1, np.float32), "z": np.array(0, dtype)}
        model = ir.from_proto(build(nodes, {"x": ["N", 4]}, {"y": ["N", 2]}, constants))
        assert engine.would_saturate(model) is expected
