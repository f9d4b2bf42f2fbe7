"""Models of convolutions, with operators that are fused into them or follow them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper
from tests.helpers.models.building import ONE, Arrays, build, node, random


def conv_relu(opset: int = 17) -> onnx.ModelProto:
    """Conv with a bias, Relu, Conv."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w2", "b2"], "y"),
    ]
    weights = {"w1": random(8, 4, 3, 3), "b1": random(8), "w2": random(6, 8, 1, 1), "b2": random(6)}
    return build(nodes, {"x": ["N", 4, 8, 8]}, {"y": ["N", 6, 8, 8]}, weights, opset=opset)


def conv_clip() -> onnx.ModelProto:
    """Conv and a Clip with constant bounds [0, 1], as ReLU6 is exported."""
    nodes = [node("Conv", ["x", "w"], "c"), node("Clip", ["c", "low", "high"], "y")]
    weights = {"w": random(8, 4, 3, 3), "low": ONE * 0, "high": ONE}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)


def clip_without_bounds() -> onnx.ModelProto:
    """Conv and Clips without upper, lower, or both bounds."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Clip", ["c", "low"], "d"),
        node("Clip", ["d", "", "high"], "e"),
        node("Clip", ["e"], "y"),
    ]
    weights = {"w": random(8, 4, 3, 3), "low": ONE * 0, "high": ONE}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)


def thin_conv() -> onnx.ModelProto:
    """A first Conv with three input channels, followed by another one."""
    nodes = [node("Conv", ["x", "w1"], "c"), node("Relu", ["c"], "r"), node("Conv", ["r", "w2"], "y")]
    weights = {"w1": random(8, 3, 3, 3), "w2": random(8, 8, 3, 3)}
    return build(nodes, {"x": [1, 3, 10, 10]}, {"y": [1, 8, 6, 6]}, weights)


def depthwise() -> onnx.ModelProto:
    """A depthwise and a pointwise Conv."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], "d", group=8, pads=[1, 1, 1, 1]),
        node("Relu", ["d"], "r"),
        node("Conv", ["r", "w2"], "y"),
    ]
    weights = {"w1": random(8, 1, 3, 3), "b1": random(8), "w2": random(6, 8, 1, 1)}
    return build(nodes, {"x": [1, 8, 6, 6]}, {"y": [1, 6, 6, 6]}, weights)


def grouped_conv() -> onnx.ModelProto:
    """A Conv of two groups."""
    nodes = [node("Conv", ["x", "w", "b"], "y", group=2)]
    return build(nodes, {"x": [1, 8, 6, 6]}, {"y": [1, 6, 4, 4]}, {"w": random(6, 4, 3, 3), "b": random(6)})


def transposed_conv() -> onnx.ModelProto:
    """A ConvTranspose of stride 2 with a bias, and Relu."""
    nodes = [node("ConvTranspose", ["x", "w", "b"], "c", strides=[2, 2]), node("Relu", ["c"], "y")]
    return build(nodes, {"x": [1, 8, 4, 4]}, {"y": [1, 6, 9, 9]}, {"w": random(8, 6, 3, 3), "b": random(6)})


def conv1d() -> onnx.ModelProto:
    """A Conv along one axis, dilated."""
    nodes = [node("Conv", ["x", "w", "b"], "y", dilations=[2], pads=[2, 2])]
    return build(nodes, {"x": [1, 8, 16]}, {"y": [1, 6, 16]}, {"w": random(6, 8, 3), "b": random(6)})


def conv3d() -> onnx.ModelProto:
    """A Conv along three axes."""
    nodes = [node("Conv", ["x", "w"], "y")]
    return build(nodes, {"x": [1, 4, 4, 4, 4]}, {"y": [1, 6, 3, 3, 3]}, {"w": random(6, 4, 2, 2, 2)})


def pad_conv(mode: str = "constant", fill: float = 0.0, opset: int = 17) -> onnx.ModelProto:
    """A Pad before a Conv that also has padding."""
    nodes = [
        node("Pad", ["x", "pads", "fill"], "p", mode=mode),
        node("Conv", ["p", "w", "b"], "y", pads=[0, 1, 0, 1]),
    ]
    weights = {
        "pads": np.array([0, 0, 1, 2, 0, 0, 3, 0], np.int64),
        "fill": np.full((), fill, np.float32),
        "w": random(6, 4, 3, 3),
        "b": random(6),
    }
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 10, 10]}, weights, opset=opset)


def batch_norm_weights(channels: int) -> Arrays:
    """Scale, bias, mean and variance of a BatchNormalization."""
    return {
        "gamma": 1.0 + random(channels, seed=1),
        "beta": random(channels, seed=2),
        "mean": random(channels, seed=3),
        "var": 0.5 + np.abs(random(channels, seed=4)),
    }


def batch_norm_node(value: str, output: str) -> onnx.NodeProto:
    return node("BatchNormalization", [value, "gamma", "beta", "mean", "var"], output, epsilon=1e-3)


def conv_batch_norm(bias: bool = True, opset: int = 17) -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu."""
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    nodes = [node("Conv", inputs, "c"), batch_norm_node("c", "n"), node("Relu", ["n"], "y")]
    weights = {"w": random(6, 4, 3, 3), **({"b": random(6)} if bias else {}), **batch_norm_weights(6)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 6, 6]}, weights, opset=opset)


def transposed_batch_norm(groups: int = 2) -> onnx.ModelProto:
    """A grouped ConvTranspose and BatchNormalization."""
    nodes = [node("ConvTranspose", ["x", "w", "b"], "c", group=groups, strides=[2, 2]), batch_norm_node("c", "y")]
    weights = {"w": random(8, 6 // groups, 3, 3), "b": random(6), **batch_norm_weights(6)}
    return build(nodes, {"x": [1, 8, 4, 4]}, {"y": [1, 6, 9, 9]}, weights)


def gemm_batch_norm(transposed: bool = True) -> onnx.ModelProto:
    """Gemm, its weights transposed or not, and BatchNormalization."""
    nodes = [node("Gemm", ["x", "w", "b"], "g", transB=int(transposed)), batch_norm_node("g", "y")]
    weights = {"w": random(*((6, 16) if transposed else (16, 6))), "b": random(1, 6), **batch_norm_weights(6)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 6]}, weights)


def batch_norm_alone() -> onnx.ModelProto:
    """BatchNormalization before a Conv, which cannot be folded."""
    nodes = [batch_norm_node("x", "n"), node("Conv", ["n", "w"], "y")]
    weights = {"w": random(6, 4, 3, 3), **batch_norm_weights(4)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 6, 6]}, weights)


def channel_arithmetic() -> onnx.ModelProto:
    """Conv followed by Div, Sub, Mul and Add of constants per channel or per tensor."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Div", ["c", "d"], "e"),
        node("Sub", ["e", "s"], "f"),
        node("Mul", ["m", "f"], "g"),
        node("Add", ["a", "g"], "y"),
    ]
    weights = {
        "w": random(6, 4, 3, 3),
        "d": 1.0 + np.abs(random(6, 1, 1)),
        "s": random(1, 6, 1, 1),
        "m": ONE * 3,
        "a": random(6, 1, 1, seed=2),
    }
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 6, 6]}, weights)


def pooling() -> onnx.ModelProto:
    """Conv, the poolings, Flatten, Gemm."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("MaxPool", ["c"], "m", kernel_shape=[2, 2], strides=[2, 2]),
        node("AveragePool", ["m"], "a", kernel_shape=[2, 2]),
        node("GlobalAveragePool", ["a"], "g"),
        node("Flatten", ["g"], "f"),
        node("Gemm", ["f", "v", "d"], "y", transB=1),
    ]
    weights = {"w": random(8, 4, 3, 3), "b": 1.0 + random(8), "v": random(6, 8), "d": random(6)}
    return build(nodes, {"x": ["N", 4, 10, 10]}, {"y": ["N", 6]}, weights)


def pool_with_indices() -> onnx.ModelProto:
    """Conv and a MaxPool that also outputs the indices of its maxima."""
    pool = helper.make_node("MaxPool", ["c"], ["y", "places"], name="pool", kernel_shape=[2, 2])
    return build(
        [node("Conv", ["x", "w"], "c"), pool],
        {"x": [1, 4, 8, 8]},
        {"y": [1, 8, 5, 5], "places": [1, 8, 5, 5]},
        {"w": random(8, 4, 3, 3)},
        output_types={"places": TensorProto.INT64},
    )


def resize() -> onnx.ModelProto:
    """A Conv, upsampled, and a Conv."""
    nodes = [
        node("Conv", ["x", "w1"], "c"),
        node("Resize", ["c", "", "scales"], "u", mode="nearest"),
        node("Conv", ["u", "w2"], "y"),
    ]
    weights = {
        "w1": random(8, 4, 3, 3),
        "w2": random(6, 8, 3, 3),
        "scales": np.array([1, 1, 2, 2], np.float32),
    }
    return build(nodes, {"x": [1, 4, 6, 6]}, {"y": [1, 6, 6, 6]}, weights)


def unary() -> onnx.ModelProto:
    """Convs with all activations that any target supports in integers."""
    operators = ("Sigmoid", "LeakyRelu", "Tanh", "HardSigmoid", "HardSwish", "Elu")
    nodes, value = [], "x"
    for index, operator in enumerate(operators):
        last = index == len(operators) - 1
        nodes += [node("Conv", [value, "w"], f"c{index}"), node(operator, [f"c{index}"], "y" if last else f"a{index}")]
        value = f"a{index}"
    return build(nodes, {"x": [1, 8, 3, 3]}, {"y": [1, 8, 3, 3]}, {"w": random(8, 8, 1, 1, spread=2.0)})


def gate() -> onnx.ModelProto:
    """A squeeze-and-excitation gate: channels multiplied by a function of their means."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        node("GlobalAveragePool", ["c"], "g"),
        node("Conv", ["g", "v"], "e"),
        node("Sigmoid", ["e"], "s"),
        node("Mul", ["c", "s"], "y"),
    ]
    weights = {"w": random(8, 4, 3, 3), "b": random(8), "v": random(8, 8, 1, 1)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)
