"""Models of graph structures: branches, data movement, subgraphs, functions, names."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from tests.helpers.models.building import ONE, build, node, random
from tests.helpers.models.convolutions import batch_norm_node, batch_norm_weights, conv_batch_norm, conv_relu


def residual() -> onnx.ModelProto:
    """Two Convs, a residual add around the second, Relu."""
    nodes = [
        node("Conv", ["x", "w1", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2", "b"], "d", pads=[1, 1, 1, 1]),
        node("Add", ["d", "r"], "s"),
        node("Relu", ["s"], "y"),
    ]
    weights = {"w1": random(8, 8, 3, 3), "w2": random(8, 8, 3, 3, seed=1), "b": random(8)}
    return build(nodes, {"x": [1, 8, 6, 6]}, {"y": [1, 8, 6, 6]}, weights)


def concat() -> onnx.ModelProto:
    """Two Convs of one input, concatenated, and a Conv."""
    nodes = [
        node("Conv", ["x", "w1"], "a"),
        node("Conv", ["x", "w2"], "b"),
        node("Concat", ["a", "b"], "c", axis=1),
        node("Conv", ["c", "w3"], "y"),
    ]
    weights = {"w1": random(4, 4, 3, 3), "w2": random(4, 4, 3, 3, seed=1), "w3": random(8, 8, 1, 1)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)


def shared_weights() -> onnx.ModelProto:
    """Two Convs that share weights and bias, with different inputs."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w", "b"], "y", pads=[1, 1, 1, 1]),
    ]
    return build(nodes, {"x": [1, 8, 6, 6]}, {"y": [1, 8, 6, 6]}, {"w": random(8, 8, 3, 3), "b": random(8)})


def movers() -> onnx.ModelProto:
    """Conv, then Transpose, Reshape, Slice and Split, then MatMuls of both parts."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Transpose", ["c"], "t", perm=[0, 2, 3, 1]),
        node("Reshape", ["t", "shape"], "r"),
        node("Slice", ["r", "starts", "ends", "axes"], "s"),
        helper.make_node("Split", ["s", "parts"], ["p", "q"], name="split", axis=2),
        node("MatMul", ["p", "v"], "y"),
        node("MatMul", ["q", "v"], "z"),
    ]
    weights = {
        "w": random(8, 4, 3, 3),
        "v": random(4, 6),
        "shape": np.array([1, 36, 8], np.int64),
        "starts": np.array([4], np.int64),
        "ends": np.array([20], np.int64),
        "axes": np.array([1], np.int64),
        "parts": np.array([4, 4], np.int64),
    }
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 16, 6], "z": [1, 16, 6]}, weights)


def mover_first() -> onnx.ModelProto:
    """Data movement operators between a float input and the only layer that reads it."""
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Reshape", ["t", "shape"], "r"),
        node("Conv", ["r", "w"], "y"),
    ]
    weights = {"w": random(6, 8, 3, 3), "shape": np.array([1, 8, 4, 8], np.int64)}
    return build(nodes, {"x": [1, 8, 8, 4]}, {"y": [1, 6, 2, 6]}, weights)


def idle() -> onnx.ModelProto:
    """Identity, Dropout, a Cast to float, Transposes that cancel, and Relu behind Relu, between two Convs."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Identity", ["c"], "i"),
        node("Dropout", ["i"], "d"),
        node("Cast", ["d"], "k", to=TensorProto.FLOAT),
        node("Transpose", ["k"], "t", perm=[0, 2, 3, 1]),
        node("Transpose", ["t"], "u", perm=[0, 3, 1, 2]),
        node("Transpose", ["u"], "v", perm=[0, 1, 2, 3]),
        node("Relu", ["v"], "r"),
        node("Relu", ["r"], "s"),
        node("Conv", ["s", "w"], "z"),
        node("Identity", ["z"], "y"),
    ]
    return build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 4]}, {"w": random(4, 4, 1, 1)})


def middle_output() -> onnx.ModelProto:
    """Conv, BatchNormalization and Relu; the Conv's result is also an output."""
    model = conv_batch_norm()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 6, 6, 6]))
    return model


def if_subgraph() -> onnx.ModelProto:
    """A Conv whose result both branches of an If capture, followed by another Conv."""

    def branch(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [1, 6, 6, 6])
        return helper.make_graph([node(op, ["n", "shift"], f"{name}_out")], name, [], [out])

    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        batch_norm_node("c", "n"),
        node("If", ["flag"], "i", then_branch=branch("then", "Add"), else_branch=branch("else", "Sub")),
        node("Conv", ["i", "v"], "y"),
    ]
    weights = {"w": random(6, 4, 3, 3), "b": random(6), "v": random(6, 6, 1, 1), "shift": ONE}
    return build(
        nodes,
        {"x": [1, 4, 8, 8], "flag": []},
        {"y": [1, 6, 6, 6]},
        {**weights, **batch_norm_weights(6)},
        input_types={"flag": TensorProto.BOOL},
    )


def local_function() -> onnx.ModelProto:
    """A model-local function (MatMul, Add, Relu), called twice."""
    body = [
        helper.make_node("MatMul", ["a", "k"], ["m"]),
        helper.make_node("Add", ["m", "c"], ["s"]),
        helper.make_node("Relu", ["s"], ["r"]),
    ]
    block = helper.make_function("tests.blocks", "Block", ["a", "k", "c"], ["r"], body, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("Block", ["x", "w", "b"], ["h"], name="first", domain="tests.blocks"),
        helper.make_node("Block", ["h", "w", "b"], ["y"], name="second", domain="tests.blocks"),
    ]
    weights = {"w": random(16, 16), "b": random(16)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 16]}, weights, functions=[block])


def initializer_as_input(opset: int = 17) -> onnx.ModelProto:
    """Weights that are also listed as inputs, as by old exporters."""
    model = conv_relu(opset)
    for name, array in (("w1", random(8, 4, 3, 3)), ("b1", random(8))):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    return model


def odd_names() -> onnx.ModelProto:
    """Nodes without names, tensors with slashes, spaces and non-ASCII letters in their names."""
    nodes = [
        helper.make_node("Conv", ["in put/0:x", "/w/été"], ["/层/1.0"], name="/层/Conv"),
        helper.make_node("Relu", ["/层/1.0"], ["r"], name="/act 1"),
        helper.make_node("Conv", ["r", "v"], ["s"]),
        helper.make_node("Relu", ["s"], ["Ausgang/größe"]),
    ]
    weights = {"/w/été": random(8, 4, 3, 3), "v": random(8, 8, 1, 1)}
    return build(nodes, {"in put/0:x": [1, 4, 8, 8]}, {"Ausgang/größe": [1, 8, 6, 6]}, weights)
