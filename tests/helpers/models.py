"""Small float models in ONNX, one function a pattern, for the tests of every room."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]
Shape = Sequence[int | str | None]

ONE = np.ones((), np.float32)


def random(*shape: int, seed: int = 0, spread: float = 1.0) -> NDArray[np.float32]:
    """Normal float32 numbers; scaled so that a layer with these weights keeps its input's variance."""
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
    values = np.random.default_rng([seed, *shape]).normal(size=shape) * spread / np.sqrt(fan_in)
    return values.astype(np.float32)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    weights: Mapping[str, NDArray[Any]] | None = None,
    *,
    opset: int = 17,
    functions: Sequence[onnx.FunctionProto] = (),
    input_types: Mapping[str, int] | None = None,
    output_types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A checked model of float inputs and outputs, unless their types are given."""
    given, made = input_types or {}, output_types or {}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, given.get(n, TensorProto.FLOAT), s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(n, made.get(n, TensorProto.FLOAT), s) for n, s in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(f.domain, 1) for f in functions)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, producer_name="tests")
    model.ir_version = 10 if opset > 19 else 8
    onnx.checker.check_model(model)
    return model


def node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node of one output, named after it."""
    return helper.make_node(op, inputs, [output], name=f"{op.lower()}_{output}", **attributes)


def feeds(model: onnx.ModelProto, seed: int = 0, batch: int = 2) -> Arrays:
    """Random inputs: symbols become `batch`; integers run from 0 to 7."""
    rng, constants = np.random.default_rng(seed), {tensor.name for tensor in model.graph.initializer}
    found: Arrays = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        shape = [dim.dim_value or batch for dim in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        found[value.name] = (
            rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else rng.integers(0, 8, shape).astype(dtype)
        )
        if dtype.kind == "b":
            found[value.name] = np.ones(shape, dtype)
    return found


def run(model: onnx.ModelProto, inputs: Arrays, outputs: Sequence[str] | None = None) -> Arrays:
    """The outputs in ONNX Runtime, without its own rewriting of the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = list(outputs) if outputs is not None else [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))


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
    """Conv and a Clip to [0, 1] (as ReLU6 is exported)."""
    nodes = [node("Conv", ["x", "w"], "c"), node("Clip", ["c", "low", "high"], "y")]
    weights = {"w": random(8, 4, 3, 3), "low": ONE * 0, "high": ONE}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)


def clip_without_bounds() -> onnx.ModelProto:
    """Conv and Clips that lack their upper, their lower, or both bounds."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Clip", ["c", "low"], "d"),
        node("Clip", ["d", "", "high"], "e"),
        node("Clip", ["e"], "y"),
    ]
    weights = {"w": random(8, 4, 3, 3), "low": ONE * 0, "high": ONE}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 8, 6, 6]}, weights)


def thin_conv() -> onnx.ModelProto:
    """A first Conv of three input channels, and one behind it."""
    nodes = [node("Conv", ["x", "w1"], "c"), node("Relu", ["c"], "r"), node("Conv", ["r", "w2"], "y")]
    weights = {"w1": random(8, 3, 3, 3), "w2": random(8, 8, 3, 3)}
    return build(nodes, {"x": [1, 3, 10, 10]}, {"y": [1, 8, 6, 6]}, weights)


def residual() -> onnx.ModelProto:
    """Two Convs, the input of the second added to its output, Relu."""
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
    """MatMul and Add of a bias on three axes, as exported for tokens."""
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["m", "b"], "y")]
    weights = {"w": random(16, 12), "b": random(12)}
    return build(nodes, {"x": ["N", 5, 16]}, {"y": ["N", 5, 12]}, weights, opset=opset)


def matmul_bias(opset: int = 17) -> onnx.ModelProto:
    """MatMul and Add of a bias on two axes: one Gemm."""
    nodes = [node("MatMul", ["x", "w"], "m"), node("Add", ["b", "m"], "y")]
    weights = {"w": random(16, 12), "b": random(12)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 12]}, weights, opset=opset)


def weights_first() -> onnx.ModelProto:
    """MatMul whose first operand is the constant."""
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
    """A lookup of rows, and a MatMul."""
    nodes = [node("Gather", ["table", "ids"], "e"), node("MatMul", ["e", "w"], "y")]
    weights = {"table": random(8, 16, spread=4.0), "w": random(16, 12)}
    return build(nodes, {"ids": ["N", 5]}, {"y": ["N", 5, 12]}, weights, input_types={"ids": TensorProto.INT64})


def shared_weights() -> onnx.ModelProto:
    """Two Convs that share weights and bias, with different inputs."""
    nodes = [
        node("Conv", ["x", "w", "b"], "c", pads=[1, 1, 1, 1]),
        node("Relu", ["c"], "r"),
        node("Conv", ["r", "w", "b"], "y", pads=[1, 1, 1, 1]),
    ]
    return build(nodes, {"x": [1, 8, 6, 6]}, {"y": [1, 8, 6, 6]}, {"w": random(8, 8, 3, 3), "b": random(8)})


def pad_conv(mode: str = "constant", fill: float = 0.0, opset: int = 17) -> onnx.ModelProto:
    """A Pad in front of a Conv that pads on its own too."""
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
    """Factor, shift, mean and variance of a BatchNormalization."""
    return {
        "gamma": 1.0 + random(channels, seed=1),
        "beta": random(channels, seed=2),
        "mean": random(channels, seed=3),
        "var": 0.5 + np.abs(random(channels, seed=4)),
    }


def _batch_norm(value: str, output: str) -> onnx.NodeProto:
    return node("BatchNormalization", [value, "gamma", "beta", "mean", "var"], output, epsilon=1e-3)


def conv_batch_norm(bias: bool = True, opset: int = 17) -> onnx.ModelProto:
    """Conv, BatchNormalization, Relu."""
    inputs = ["x", "w", "b"] if bias else ["x", "w"]
    nodes = [node("Conv", inputs, "c"), _batch_norm("c", "n"), node("Relu", ["n"], "y")]
    weights = {"w": random(6, 4, 3, 3), **({"b": random(6)} if bias else {}), **batch_norm_weights(6)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 6, 6]}, weights, opset=opset)


def transposed_batch_norm(groups: int = 2) -> onnx.ModelProto:
    """A grouped ConvTranspose and BatchNormalization."""
    nodes = [node("ConvTranspose", ["x", "w", "b"], "c", group=groups, strides=[2, 2]), _batch_norm("c", "y")]
    weights = {"w": random(8, 6 // groups, 3, 3), "b": random(6), **batch_norm_weights(6)}
    return build(nodes, {"x": [1, 8, 4, 4]}, {"y": [1, 6, 9, 9]}, weights)


def gemm_batch_norm(transposed: bool = True) -> onnx.ModelProto:
    """Gemm, its weights transposed or not, and BatchNormalization."""
    nodes = [node("Gemm", ["x", "w", "b"], "g", transB=int(transposed)), _batch_norm("g", "y")]
    weights = {"w": random(*((6, 16) if transposed else (16, 6))), "b": random(1, 6), **batch_norm_weights(6)}
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 6]}, weights)


def batch_norm_alone() -> onnx.ModelProto:
    """BatchNormalization in front of a Conv, where it cannot be folded."""
    nodes = [_batch_norm("x", "n"), node("Conv", ["n", "w"], "y")]
    weights = {"w": random(6, 4, 3, 3), **batch_norm_weights(4)}
    return build(nodes, {"x": [1, 4, 8, 8]}, {"y": [1, 6, 6, 6]}, weights)


def scaled_gemm() -> onnx.ModelProto:
    """Gemm with alpha, beta and a bias."""
    nodes = [node("Gemm", ["x", "w", "b"], "y", alpha=0.5, beta=2.0, transB=1)]
    return build(nodes, {"x": ["N", 16]}, {"y": ["N", 6]}, {"w": random(6, 16), "b": random(6)})


def channel_arithmetic() -> onnx.ModelProto:
    """Conv behind which every channel is divided, shifted, multiplied and shifted back."""
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
    """A MaxPool behind a Conv that also gives the places of its maxima."""
    pool = helper.make_node("MaxPool", ["c"], ["y", "places"], name="pool", kernel_shape=[2, 2])
    return build(
        [node("Conv", ["x", "w"], "c"), pool],
        {"x": [1, 4, 8, 8]},
        {"y": [1, 8, 5, 5], "places": [1, 8, 5, 5]},
        {"w": random(8, 4, 3, 3)},
        output_types={"places": TensorProto.INT64},
    )


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
    """Data movers between a float input and the only layer that reads it."""
    nodes = [
        node("Transpose", ["x"], "t", perm=[0, 3, 1, 2]),
        node("Reshape", ["t", "shape"], "r"),
        node("Conv", ["r", "w"], "y"),
    ]
    weights = {"w": random(6, 8, 3, 3), "shape": np.array([1, 8, 4, 8], np.int64)}
    return build(nodes, {"x": [1, 8, 8, 4]}, {"y": [1, 6, 2, 6]}, weights)


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
    """Convs with every activation that some target has in integers."""
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


def idle() -> onnx.ModelProto:
    """Identity, Dropout, a Cast to float, and Transposes that cancel, between two Convs."""
    nodes = [
        node("Conv", ["x", "w"], "c"),
        node("Identity", ["c"], "i"),
        node("Dropout", ["i"], "d"),
        node("Cast", ["d"], "k", to=TensorProto.FLOAT),
        node("Transpose", ["k"], "t", perm=[0, 2, 3, 1]),
        node("Transpose", ["t"], "u", perm=[0, 3, 1, 2]),
        node("Transpose", ["u"], "v", perm=[0, 1, 2, 3]),
        node("Conv", ["v", "w"], "z"),
        node("Identity", ["z"], "y"),
    ]
    return build(nodes, {"x": [1, 4, 4, 4]}, {"y": [1, 4, 4, 4]}, {"w": random(4, 4, 1, 1)})


def middle_output() -> onnx.ModelProto:
    """Conv, BatchNormalization and Relu, the Conv's result an output of its own."""
    model = conv_batch_norm()
    model.graph.output.append(helper.make_tensor_value_info("c", TensorProto.FLOAT, [1, 6, 6, 6]))
    return model


def if_subgraph() -> onnx.ModelProto:
    """A Conv whose result both branches of an If capture, and a Conv behind it."""

    def branch(name: str, op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, [1, 6, 6, 6])
        return helper.make_graph([node(op, ["n", "shift"], f"{name}_out")], name, [], [out])

    nodes = [
        node("Conv", ["x", "w", "b"], "c"),
        _batch_norm("c", "n"),
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
    """A function of the model's own (MatMul, Add, Relu), called twice."""
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
    """Weights that are listed among the inputs, as old exporters did."""
    model = conv_relu(opset)
    for name, array in (("w1", random(8, 4, 3, 3)), ("b1", random(8))):
        model.graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    return model


def odd_names() -> onnx.ModelProto:
    """Nodes without names, tensors named with slashes, spaces and letters of all kinds."""
    nodes = [
        helper.make_node("Conv", ["in put/0:x", "/w/été"], ["/层/1.0"], name="/层/Conv"),
        helper.make_node("Relu", ["/层/1.0"], ["r"], name="/act 1"),
        helper.make_node("Conv", ["r", "v"], ["s"]),
        helper.make_node("Relu", ["s"], ["Ausgang/größe"]),
    ]
    weights = {"/w/été": random(8, 4, 3, 3), "v": random(8, 8, 1, 1)}
    return build(nodes, {"in put/0:x": [1, 4, 8, 8]}, {"Ausgang/größe": [1, 8, 6, 6]}, weights)


def layer_norm() -> onnx.ModelProto:
    """MatMul, LayerNormalization, Softmax: mostly what stays in float."""
    nodes = [
        node("MatMul", ["x", "w"], "m"),
        node("LayerNormalization", ["m", "scale", "shift"], "n"),
        node("Softmax", ["n"], "y"),
    ]
    weights = {"w": random(16, 12), "scale": 1.0 + random(12), "shift": random(12)}
    return build(nodes, {"x": ["N", 4, 16]}, {"y": ["N", 4, 12]}, weights)


PATTERNS: dict[str, Callable[[], onnx.ModelProto]] = {
    function.__name__: function
    for function in (
        conv_relu,
        conv_clip,
        clip_without_bounds,
        thin_conv,
        residual,
        concat,
        depthwise,
        grouped_conv,
        transposed_conv,
        conv1d,
        conv3d,
        mlp,
        linear,
        matmul_bias,
        weights_first,
        attention,
        embedding,
        shared_weights,
        pad_conv,
        conv_batch_norm,
        transposed_batch_norm,
        gemm_batch_norm,
        batch_norm_alone,
        scaled_gemm,
        channel_arithmetic,
        pooling,
        pool_with_indices,
        movers,
        mover_first,
        resize,
        unary,
        gate,
        idle,
        middle_output,
        if_subgraph,
        local_function,
        initializer_as_input,
        odd_names,
        layer_norm,
    )
}


# One node from tensor `t<i>` to `t<i+1>`, both 4 by 4 by 4, so that any step can follow any other.
STEPS: dict[str, Callable[[int], onnx.NodeProto]] = {
    "Conv": lambda i: node("Conv", [f"t{i}", "w", "b"], f"t{i + 1}"),
    "Bare": lambda i: node("Conv", [f"t{i}", "w"], f"t{i + 1}"),
    "Deep": lambda i: node("Conv", [f"t{i}", "k"], f"t{i + 1}", group=4),
    "Wide": lambda i: node("ConvTranspose", [f"t{i}", "u", "b"], f"t{i + 1}", group=2),
    "Norm": lambda i: node("BatchNormalization", [f"t{i}", "gamma", "beta", "mean", "var"], f"t{i + 1}"),
    "Mul": lambda i: node("Mul", [f"t{i}", "m"], f"t{i + 1}"),
    "Line": lambda i: node("Mul", ["l", f"t{i}"], f"t{i + 1}"),
    "Add": lambda i: node("Add", ["m", f"t{i}"], f"t{i + 1}"),
    "Sub": lambda i: node("Sub", [f"t{i}", "m"], f"t{i + 1}"),
    "From": lambda i: node("Sub", ["m", f"t{i}"], f"t{i + 1}"),
    "Div": lambda i: node("Div", [f"t{i}", "m"], f"t{i + 1}"),
    "Relu": lambda i: node("Relu", [f"t{i}"], f"t{i + 1}"),
    "Skip": lambda i: node("Add", [f"t{i}", "t0"], f"t{i + 1}"),
    "Back": lambda i: node("Add", [f"t{i}", f"t{max(i - 1, 0)}"], f"t{i + 1}"),
    "Identity": lambda i: node("Identity", [f"t{i}"], f"t{i + 1}"),
    "Dropout": lambda i: node("Dropout", [f"t{i}"], f"t{i + 1}"),
    "Cast": lambda i: node("Cast", [f"t{i}"], f"t{i + 1}", to=TensorProto.FLOAT),
    "Turn": lambda i: node("Transpose", [f"t{i}"], f"t{i + 1}", perm=[0, 1, 3, 2]),
    "Roll": lambda i: node("Transpose", [f"t{i}"], f"t{i + 1}", perm=[0, 2, 3, 1]),
    "Product": lambda i: node("MatMul", [f"t{i}", "square"], f"t{i + 1}"),
    "Same": lambda i: node("Conv", [f"t{i}", "c"], f"t{i + 1}", pads=[1, 1, 1, 1]),
    "Pool": lambda i: node("MaxPool", [f"t{i}"], f"t{i + 1}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Mean": lambda i: node("AveragePool", [f"t{i}"], f"t{i + 1}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Sigmoid": lambda i: node("Sigmoid", [f"t{i}"], f"t{i + 1}"),
    "Both": lambda i: node("MatMul", [f"t{i}", f"t{max(i - 1, 0)}"], f"t{i + 1}"),
}


def chain(steps: Sequence[str], outputs: Collection[int] = ()) -> onnx.ModelProto:
    """The steps one after the other; the results of those numbered in `outputs` are outputs too."""
    nodes = [STEPS[step](i) for i, step in enumerate(steps)]
    weights: Arrays = {
        "w": random(4, 4, 1, 1),
        "b": random(4),
        "k": random(4, 1, 1, 1),
        "u": random(4, 2, 1, 1),
        "c": random(4, 4, 3, 3),
        "m": 1.0 + random(4, 1, 1) / 4,
        "l": 1.0 + random(4) / 4,
        "square": random(4, 4),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        **batch_norm_weights(4),
    }
    used = {name for step in nodes for name in step.input}
    kept = {name: array for name, array in weights.items() if name in used}
    shown = [*sorted(i for i in outputs if 0 < i < len(nodes)), len(nodes)]
    return build(nodes, {"t0": [1, 4, 4, 4]}, {f"t{i}": [1, 4, 4, 4] for i in shown}, kept)
