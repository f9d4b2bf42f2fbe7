"""Models of matrix products: dense layers, attention, embeddings."""

from __future__ import annotations

import onnx
from onnx import TensorProto
from tests.helpers.models.building import build, node, random


def mlp(opset: int = 17) -> onnx.ModelProto:
    """Gemm, Relu, Gemm with its weights transposed."""
    nodes = [
        node("Gemm", ["x", "w1", "b1"], "g"),
        node("Relu", ["g"], "r"),
        node("Gemm", ["r", "w2", "b2"], "y", transB=1),
    ]
    weights = {"w1": random(16, 24), "b1": random(24), "w2": random(10, 24), "b2": random(10)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 10]}, weights, opset=opset)


def linear(opset: int = 17) -> onnx.ModelProto:
    """MatMul and Add of a bias on rank 3, as exported for tokens."""
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    weights = {"w": random(16, 12), "b": random(12)}
    return build(nodes, {"x": ["N", 5, 16]}, {"y": ["N", 5, 12]}, weights, opset=opset)


def matmul_bias(opset: int = 17) -> onnx.ModelProto:
    """MatMul and Add of a bias on rank 2, equivalent to a Gemm."""
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["b", "m"], "y")]
    weights = {"w": random(16, 12), "b": random(12)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 12]}, weights, opset=opset)


def weights_first() -> onnx.ModelProto:
    """MatMul with a constant lhs."""
    return build([node("MatMul", ["w", "x"], "y")], {"x": [16, 5]}, {"y": [12, 5]}, {"w": random(12, 16)})


def attention() -> onnx.ModelProto:
    """Projections, a product of two activations, Softmax, another product."""
    nodes = [
        node("MatMul", ["x", "wq"], "q"),
        node("MatMul", ["x", "wk"], "k"),
        node("MatMul", ["x", "wv"], "v"),
        node("Transpose", ["k"], "kt", perm=[0, 2, 1]),
        node("MatMul", ["q", "kt"], "s"),
        node("Softmax", ["s"], "p", axis=-1),
        node("MatMul", ["p", "v"], "y"),
    ]
    weights = {name: random(16, 16, seed=i) for i, name in enumerate(("wq", "wk", "wv"))}
    return build(nodes, {"x": [1, 6, 16]}, {"y": [1, 6, 16]}, weights)


def embedding() -> onnx.ModelProto:
    """A Gather of embedding rows, and a MatMul."""
    nodes = [node("Gather", ["table", "ids"], "e"), node("MatMul", ["e", "w"], "y")]
    weights = {"table": random(8, 16, spread=4.0), "w": random(16, 12)}
    return build(nodes, {"ids": ["N", 5]}, {"y": ["N", 5, 12]}, weights, input_types={"ids": TensorProto.INT64})


def scaled_gemm() -> onnx.ModelProto:
    """Gemm with alpha, beta and a bias."""
    nodes = [node("Gemm", ["x", "w", "b"], "y", alpha=0.5, beta=2.0, transB=1)]
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 6]}, {"w": random(6, 16), "b": random(6)})


def layer_norm() -> onnx.ModelProto:
    """MatMul, LayerNormalization, Softmax: mostly operators that stay in float."""
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("LayerNormalization", ["m", "scale", "shift"], "n"),
        node("Softmax", ["n"], "y"),
    ]
    weights = {"w": random(16, 12), "scale": 1.0 + random(12), "shift": random(12)}
    return build(nodes, {"x": ["N", 4, 16]}, {"y": ["N", 4, 12]}, weights)
