"""Graphs on which other quantizers crash or lose their accuracy, each from the float model to ONNX Runtime."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import psutil
import pytest
from onnx import TensorProto, helper
from tests.helpers.models import (
    Arrays,
    batch_norm_weights,
    build,
    feeds,
    initializer_as_input,
    node,
    odd_names,
    random,
    run,
)
from tests.helpers.peer_failures import CONV, FLOORS, INTEGER, SAMPLES, conv_net, engine, losses, quantized, sqnr, worst

import octavo
from octavo.targets.detect import this_machine


@pytest.mark.parametrize("to", INTEGER)
def test_quantized_outputs_keep_names_types_and_order(to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("MaxPool", ["r"], "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("ArgMax", ["p"], "place", axis=1, keepdims=0),
        node("Transpose", ["p"], "moved", perm=[0, 2, 3, 1]),
        node("Conv", ["p", "v", "d"], "late"),
        node("Shape", ["late"], "shape"),
    ]
    outputs = {
        "late": ["N", 6, 3, 3],
        "place": ["N", 3, 3],
        "c": ["N", 8, 6, 6],
        "moved": ["N", 3, 3, 8],
        "shape": [4],
        "r": ["N", 8, 6, 6],
    }
    types = {"place": TensorProto.INT64, "shape": TensorProto.INT64}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, outputs, CONV, output_types=types)
    result = quantized(model, feeds(model, batch=SAMPLES), to)
    assert list(ir.to_proto(result.model).graph.output) == list(model.graph.output)
    sqnr_of = losses(model, result, feeds(model, 99, SAMPLES))
    assert sqnr_of["shape"] == np.inf
    assert min(sqnr_of[name] for name in ("late", "c", "moved", "r")) > FLOORS[to]


@pytest.mark.parametrize("opset", [7, 17])
def test_weights_listed_among_the_inputs(opset: int) -> None:
    model = initializer_as_input(opset)
    if opset == 7:
        listed = {value.name for value in model.graph.input}
        unlisted = [tensor for tensor in model.graph.initializer if tensor.name not in listed]
        model.graph.input.extend(helper.make_tensor_value_info(t.name, t.data_type, t.dims) for t in unlisted)
        model.ir_version = 3
        onnx.checker.check_model(model)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [value.name for value in result.model.graph.inputs] == ["x"]
    assert worst(model, result) > FLOORS[this_machine()]


def of_opset(opset: int) -> onnx.ModelProto:
    """A network of operators whose inputs and attributes changed between opsets."""
    constants: Arrays = {**CONV, **batch_norm_weights(8), "g": random(6, 6), "h": random(6)}

    def versioned(op: str, data: str, output: str, since: int, **arguments: Any) -> onnx.NodeProto:
        """Arguments are attributes before opset `since`, and inputs from then on."""
        if opset < since:
            return node(op, [data], output, **arguments)
        names = []
        for name, value in arguments.items():
            names.append(f"{output}_{name}")
            constants[names[-1]] = np.asarray(value, np.int64 if isinstance(value, list) else np.float32)
        return node(op, [data, *names], output)

    nodes = [
        versioned("Pad", "x", "p", 11, pads=[0, 0, 1, 1, 0, 0, 1, 1]),
        node("Conv", ["p", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "n"),
        versioned("Clip", "n", "k", 11, min=0.0, max=2.0),
        node("Dropout", ["k"], "o"),
        node("MaxPool", ["o"], "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["m", "v", "d"], "e"),
        node("GlobalAveragePool", ["e"], "a"),
        versioned("Squeeze", "a", "s", 13, axes=[2, 3]),
        versioned("Unsqueeze", "s", "u", 13, axes=[0]),
        versioned("Squeeze", "u", "f", 13, axes=[0]),
        node("Gemm", ["f", "g", "h"], "l", transB=1),
        node("Softmax", ["l"], "y", axis=1),
    ]
    return build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6], "l": ["N", 6]}, constants, opset=opset)


@pytest.mark.parametrize("opset", range(7, onnx.defs.onnx_opset_version() + 1))
def test_every_opset(opset: int) -> None:
    model = of_opset(opset)
    try:
        run(model, feeds(model))
    except Exception as error:
        pytest.skip(f"this ONNX Runtime cannot run opset {opset}: {error}")
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert {layer.op for layer in result.layers} >= {"Conv", "MaxPool", "GlobalAveragePool"}
    assert worst(model, result) > FLOORS[this_machine()]


@pytest.mark.parametrize("bounds", [[], ["low"], ["", "high"], ["low", ""], ["low", "high"]], ids=str)
@pytest.mark.parametrize("to", INTEGER)
def test_clip_with_bounds_left_out(bounds: list[str], to: str) -> None:
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Clip", ["c", *bounds], "k"),
        node("Conv", ["k", "v", "d"], "y"),
    ]
    values = {"low": np.float32(-0.5), "high": np.float32(0.75)}
    weights = {**CONV, **{name: np.asarray(values[name]) for name in bounds if name}}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, weights)
    assert worst(model, quantized(model, feeds(model, batch=SAMPLES), to)) > FLOORS[to]


@pytest.mark.parametrize("to", INTEGER)
def test_names_with_slashes_spaces_and_non_ascii_letters(to: str) -> None:
    model = odd_names()
    result = quantized(model, [feeds(model, seed) for seed in range(SAMPLES)], to)
    assert worst(model, result) > FLOORS[to]


def test_names_that_are_taken_or_equal() -> None:
    """All nodes have the same name, and tensors already have the names that Q/DQ pairs would get."""
    nodes = [
        helper.make_node("Conv", ["x", "w/1"], ["c"], name="same"),
        helper.make_node("Relu", ["c"], ["c_quantized"], name="same"),
        helper.make_node("Conv", ["c_quantized", "w_1"], ["c_dequantized"], name="same"),
        helper.make_node("Add", ["c_dequantized", "c_scale"], ["y_float"], name="same"),
        helper.make_node("Relu", ["y_float"], ["y"], name="same"),
    ]
    weights = {"w/1": random(8, 4, 3, 3), "w_1": random(8, 8, 1, 1), "c_scale": random(8, 1, 1)}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 8, 4, 4]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    for duplicate in model.graph.node:
        duplicate.name = ""  # ONNX Runtime refuses duplicate names
    assert worst(model, result) > FLOORS[this_machine()]
    graph = ir.to_proto(result.model).graph
    names = [name for n in graph.node for name in n.output] + [tensor.name for tensor in graph.initializer]
    assert len(set(names)) == len(names)
    assert len({n.name for n in graph.node}) == len(graph.node)


def test_shared_weights_that_differ_after_folding() -> None:
    """Two Convs share weights and are followed by different BatchNormalizations: each gets its own folded weights."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("BatchNormalization", ["c", "gamma", "beta", "mean", "var"], "y"),
        node("Conv", ["x", "w", "b"], "e"),
        node("BatchNormalization", ["e", "gamma2", "beta2", "mean", "var"], "z"),
    ]
    weights = {"w": random(6, 4, 3, 3), "b": random(6), **batch_norm_weights(6)}
    weights |= {"gamma2": -3 * weights["gamma"], "beta2": 2 - weights["beta"]}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 4, 4], "z": ["N", 6, 4, 4]}, weights)
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert {node.op_type for node in result.model.graph} == {"Conv", "QuantizeLinear", "DequantizeLinear"}
    assert worst(model, result) > FLOORS[this_machine()]


def encoder() -> onnx.ModelProto:
    """Self-attention over sequences of any length."""
    nodes = [
        node("Gather", ["table", "ids"], "e"),
        node("MatMul", ["e", "wq"], "q"),
        node("MatMul", ["e", "wk"], "k"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "p", axis=-1),
        node("MatMul", ["e", "wv"], "v"),
        node("MatMul", ["p", "v"], "z"),
        node("Add", ["z", "e"], "h"),
        node("MatMul", ["h", "wo"], "o"),
        node("Add", ["o", "bo"], "y"),
    ]
    weights = {name: random(16, 16, seed=i) for i, name in enumerate(("wq", "wk", "wv", "wo"))}
    weights |= {"table": random(8, 16, spread=4.0), "bo": random(16)}
    inputs, types = {"ids": ["N", "L"]}, {"ids": TensorProto.INT64}
    return build(nodes, inputs, {"y": ["N", "L", 16]}, weights, input_types=types)


def sentences(lengths: Sequence[int], seed: int = 0, batch: int = 2) -> list[Arrays]:
    rng = np.random.default_rng(seed)
    return [{"ids": rng.integers(0, 8, (batch, length))} for length in lengths]


@pytest.mark.parametrize("to", INTEGER)
def test_inputs_of_varying_length(to: str) -> None:
    model = encoder()
    result = quantized(model, sentences([*range(1, 20), 50]), to)
    assert [value.shape for value in result.model.graph.inputs] == [ir.Shape(["N", "L"])]
    for inputs in sentences([1, 7, 33, 128], seed=1):
        assert losses(model, result, inputs)["y"] > FLOORS[to] - 5


@pytest.mark.parametrize("to", INTEGER)
def test_a_batch_of_any_size(to: str) -> None:
    """Calibrate on batches of different sizes; a sample's outputs do not depend on the rest of its batch."""
    model = conv_net()
    data = feeds(model, batch=SAMPLES)["x"]
    result = quantized(model, [{"x": part} for part in np.split(data, [1, 4, 11, 40])], to)
    inputs = feeds(model, 99, 7)["x"]
    together = engine(result, {"x": inputs})["y"]
    separately = np.concatenate([engine(result, {"x": row[None]})["y"] for row in inputs])
    np.testing.assert_array_equal(together, separately)
    assert sqnr(run(model, {"x": inputs})["y"], together) > FLOORS[to]


def _loop_body() -> onnx.GraphProto:
    flag, out = (helper.make_tensor_value_info(n, t, s) for n, t, s in (("go_on", 9, []), ("s_out", 1, None)))
    inputs = [
        helper.make_tensor_value_info("i", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("s_in", TensorProto.FLOAT, None),
    ]
    nodes = [helper.make_node("Identity", ["go"], ["go_on"]), node("Conv", ["s_in", "v"], "s_out")]
    return helper.make_graph(nodes, "body", inputs, [flag, out])


def _branch(name: str, op: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    return helper.make_graph([node(op, ["c", "shift"], f"{name}_out")], name, [], [out])


@pytest.mark.parametrize("to", INTEGER)
def test_branches_and_loops_stay_in_float_and_are_listed(to: str) -> None:
    """Layers before and after are integer; the subgraphs read their outputs."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("ReduceMax", ["x"], "top", keepdims=0),
        node("Greater", ["top", "shift"], "flag"),
        node("If", ["flag"], "i", then_branch=_branch("then", "Add"), else_branch=_branch("else", "Sub")),
        node("Loop", ["three", "", "i"], "l", body=_loop_body()),
        node("Conv", ["l", "w2"], "y"),
    ]
    weights = {**CONV, "v": random(8, 8, 1, 1), "w2": random(6, 8, 1, 1), "shift": np.float32(3), "three": np.int64(3)}
    del weights["d"]
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    model = build(nodes, {"x": ["N", 4, 6, 6]}, {"y": ["N", 6, 6, 6]}, arrays)
    batches = [{"x": feeds(model, seed, 8)["x"] * np.float32(0.5 + seed % 2)} for seed in range(8)]
    result = quantized(model, batches, to)
    assert [layer.name for layer in result.layers] == ["conv_c", "conv_y"]
    why = {left.op: left.why for left in result.left_float}
    assert "graph of its own" in why["If"]
    assert "graph of its own" in why["Loop"]
    for seed, factor in ((98, 0.5), (99, 1.5)):
        inputs = {"x": feeds(model, seed, 8)["x"] * np.float32(factor)}
        assert (inputs["x"].max() > 3) == (factor == 1.5), "each branch is taken once"
        assert losses(model, result, inputs)["y"] > FLOORS[to] - 5


def _scaled(domain: str) -> onnx.FunctionProto:
    body = [helper.make_node("MatMul", ["a", "k"], ["m"]), helper.make_node("Erf", ["m"], ["r"])]
    return helper.make_function(domain, "Block", ["a", "k"], ["r"], body, [helper.make_opsetid("", 17)])


def test_functions_are_inlined_and_their_float_operators_are_listed() -> None:
    nodes = [
        helper.make_node("Block", ["x", "w"], ["h"], name="first", domain="own.blocks"),
        helper.make_node("Block", ["h", "w"], ["y"], name="second", domain="own.blocks"),
    ]
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, {"w": random(16, 16)}, functions=[_scaled("own.blocks")])
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [layer.op for layer in result.layers] == ["MatMul", "MatMul"]
    assert [left.op for left in result.left_float] == ["Erf", "Erf"]
    assert worst(model, result) > FLOORS[this_machine()]


def test_operators_of_other_domains_stay_in_float_and_are_listed() -> None:
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("Identity", ["m"], "g"),
        node("MatMul", ["g", "w"], "y"),
    ]
    model = build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, {"w": random(16, 16)})
    model.graph.node[1].op_type, model.graph.node[1].domain = "QuickGelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.value_info.append(helper.make_tensor_value_info("g", TensorProto.FLOAT, ["N", 16]))
    result = quantized(model, feeds(model, batch=SAMPLES))
    assert [left.op for left in result.left_float] == ["QuickGelu"]
    assert "com.microsoft" in result.left_float[0].why
    assert worst(model, result) > FLOORS[this_machine()]


LAYERS, SIDE = 9, 8192


def _large(folder: Path) -> Path:
    """A chain of MatMuls of 2.4 GB, stored in a sparse file: only the diagonals of the weights are written."""
    need = {"disk": 12 * 2**30, "memory": 10 * 2**30}
    have = {"disk": shutil.disk_usage(folder).free, "memory": psutil.virtual_memory().available}
    for name, least in need.items():
        if have[name] < least:
            pytest.skip(f"{have[name] / 2**30:.0f} GB of {name} are free, {least / 2**30:.0f} GB are needed")
    values = [f"t{i}" for i in range(LAYERS)]
    nodes = [node("MatMul", [values[i - 1] if i else "x", f"w{i}"], values[i]) for i in range(LAYERS)]
    outputs = [helper.make_tensor_value_info(values[-1], TensorProto.FLOAT, ["N", SIDE])]
    tensors, size = [], 4 * SIDE * SIDE
    with open(folder / "weights.bin", "wb") as file:
        for layer in range(LAYERS):
            diagonal = np.float32(1) + random(SIDE, seed=layer)[:SIDE] / 8
            for row in range(SIDE):
                file.seek(layer * size + 4 * row * (SIDE + 1))
                file.write(diagonal[row].tobytes())
            entry = {"location": "weights.bin", "offset": str(layer * size), "length": str(size)}
            tensor = TensorProto(name=f"w{layer}", data_type=TensorProto.FLOAT, dims=[SIDE, SIDE])
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.extend(onnx.StringStringEntryProto(key=k, value=v) for k, v in entry.items())
            tensors.append(tensor)
        file.truncate(LAYERS * size)
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", SIDE])]
    graph = helper.make_graph(nodes, "large", inputs, outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    return folder / "model.onnx"


@pytest.mark.slow
def test_external_data_above_two_gigabytes(tmp_path: Path) -> None:
    path = _large(tmp_path)
    rng = np.random.default_rng(0)
    samples = rng.normal(size=(8, SIDE)).astype(np.float32)
    result = octavo.quantize(path, samples, this_machine(), verify=False, threads=1)
    assert len(result.layers) == LAYERS
    assert result.size_bytes["float"] > 2**31 > result.size_bytes["quantized"] > LAYERS * SIDE**2
    saved = result.save(tmp_path / "int8.onnx")
    x = rng.normal(size=(2, SIDE)).astype(np.float32)
    expected = x.astype(np.float64)
    for layer in range(LAYERS):
        expected = expected * (np.float32(1) + random(SIDE, seed=layer)[:SIDE] / 8)
    session = onnxruntime.InferenceSession(str(saved), providers=["CPUExecutionProvider"])
    assert sqnr(expected, session.run(None, {"x": x})[0]) > 25
