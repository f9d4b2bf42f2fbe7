"""A tiny bundle per operator, the fuzzer's seed corpus: python -m tests.helpers.native_corpus FOLDER."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_ir as ir
from tests.helpers.native_encoder import encoder
from tests.helpers.qdq import Qdq, random_bias, random_params, random_weights

from octavo.affine import GRIDS, UINT8, QuantParams
from octavo.compiler import compile_model

GRID = QuantParams(UINT8, np.float32(0.05), np.int32(120))


def float_convolution(model: Qdq) -> None:
    weights = model.constant("w", np.ones((4, 1, 3, 3), np.float32))
    y = model.node("Conv", [model.input("x", (1, 2, 5, 5)), weights], "y", group=2, pads=[1, 1, 1, 1], strides=[2, 2])
    model.result(model.node("MaxPool", [y], "m", kernel_shape=[2, 2]), "float32")


def float_functions(model: Qdq) -> None:
    x = model.input("x", (2, 3, 4))
    product = model.node("MatMul", [x, model.constant("w", np.ones((4, 4), np.float32))], "p")
    y = model.node("Add", [model.node("Tanh", [product], "t"), x], "a")
    model.result(model.node("Softmax", [y], "s", axis=1), "float32")
    model.result(model.node("ReduceMean", [y], "r", axes=[1, 2]), "float32")
    model.result(model.node("Identity", [x], "i"), "float32")


def mappings(model: Qdq) -> None:
    q = model.quantized(model.input("x", (3, 7)), GRID)
    model.result(q, "uint8")
    model.result(model.dequantized(q, GRID), "float32")


def convolution(group: int) -> Callable[[Qdq], None]:
    def build(model: Qdq) -> None:
        rng = np.random.default_rng(group)
        w, w_params = random_weights(rng, (4, 4 // group, 3, 2), 0)
        bias, bias_params = random_bias(rng, 4, GRID, w_params)
        inputs = [model.source("x", (1, 4, 5, 6), GRID), model.weights("w", w, w_params)]
        inputs.append(model.weights("b", bias, bias_params))
        y = model.node("Conv", inputs, "y", group=group, pads=[1, 0, 1, 1], dilations=[2, 1])
        model.result(model.quantized(y, random_params(rng, 0.5)), "uint8")

    return build


def asymmetric_convolution(model: Qdq) -> None:
    w_params = QuantParams(UINT8, np.float32(0.01), np.int32(255))
    w = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    y = model.node("Conv", [model.source("x", (1, 2, 7), GRID), model.weights("w", w, w_params)], "y", pads=[1, 0])
    model.result(model.quantized(y, GRID), "uint8")


def products(model: Qdq) -> None:
    w, w_params = random_weights(np.random.default_rng(0), (5, 3), 1)
    y = model.node("MatMul", [model.source("x", (2, 4, 5), GRID), model.weights("w", w, w_params)], "y")
    model.result(y, "float32")


def sums(model: Qdq) -> None:
    """Dynamic quantization and int32 accumulators."""
    names = ["q", "s", "z"]
    model.node("DynamicQuantizeLinear", [model.input("x", (3, 5))], names[0])
    model.nodes[-1].output.extend(names[1:])
    weights = model.constant("w", np.arange(20, dtype=np.uint8).reshape(5, 4))
    total = model.node("MatMulInteger", ["q", weights, "z"], "i")
    model.result(model.node("Mul", [model.node("Cast", [total], "f", to=1), "s"], "y"), "float32")
    model.result(total, "int32")


def joins(model: Qdq) -> None:
    a, b = model.source("a", (2, 3, 4), GRID), model.source("b", (3, 1), GRID)
    product = model.dequantized(model.quantized(model.node("Mul", [a, b], "m"), GRID), GRID)
    total = model.dequantized(model.quantized(model.node("Add", [product, b], "p"), GRID), GRID)
    model.result(model.quantized(model.node("Tanh", [total], "t"), GRID), "uint8")


def joined_products(model: Qdq) -> None:
    """Products with fused residual adds."""
    rng = np.random.default_rng(0)
    w, w_params = random_weights(rng, (4, 4, 1, 1), 0)
    x = model.source("x", (1, 4, 3, 2), GRID)
    y = model.quantized(model.node("Conv", [x, model.weights("w", w, w_params)], "y"), GRID)
    total = model.quantized(model.node("Add", [model.dequantized(y, GRID), x], "s"), GRID)
    model.result(total, "uint8")
    m, m_params = random_weights(rng, (4, 4), 1)
    z = model.source("z", (3, 4), GRID)
    y = model.quantized(model.node("MatMul", [z, model.weights("m", m, m_params)], "p"), GRID)
    model.result(model.quantized(model.node("Add", [z, model.dequantized(y, GRID)], "t"), GRID), "uint8")


def pools(model: Qdq) -> None:
    x = model.source("x", (1, 3, 6, 5), GRID)
    y = model.node("MaxPool", [x], "m", kernel_shape=[2, 3], pads=[1, 1, 0, 1])
    y = model.node("AveragePool", [y], "a", kernel_shape=[3, 2], pads=[1, 0, 1, 0], count_include_pad=1)
    model.result(model.quantized(y, GRID), "uint8")


def movers(model: Qdq) -> None:
    x = model.source("x", (2, 3, 4), GRID)
    y = model.node("Transpose", [x], "t", perm=[2, 0, 1])
    bounds = {"starts": [1, -1], "ends": [4, -9], "axes": [0, 2], "steps": [2, -1]}
    y = model.node("Slice", [y, *(model.constant(name, np.array(values)) for name, values in bounds.items())], "s")
    y = model.node("Pad", [y, model.constant("pads", np.array([0, 1, 0, 2, 0, 1]))], "p")
    model.result(model.quantized(model.node("Concat", [y, y], "c", axis=1), GRID), "uint8")


def blocks(model: Qdq) -> None:
    axis = QuantParams(GRIDS["int16"], np.full(3, 0.1, np.float32), np.arange(3), 1)
    x = model.input("x", (2, 3, 4))
    q = model.node("QuantizeLinear", [x, *parameters(model, "q", axis)], "q", axis=1)
    model.result(model.node("DequantizeLinear", [q, *parameters(model, "d", axis)], "y", axis=1), "float32")
    shared = QuantParams(UINT8, np.full((2, 3, 2), 0.1, np.float32), np.full((2, 3, 2), 7), 2, 2)
    q = model.node("QuantizeLinear", [x, *parameters(model, "b", shared)], "z", axis=2, block_size=2)
    model.result(q, "uint8")


def open_sizes(model: Qdq) -> None:
    """A dynamic batch and a dynamic length."""
    w, w_params = random_weights(np.random.default_rng(0), (4, 3), 1)
    x = model.source("x", ("N", "L", 4), GRID)
    y = model.node("MatMul", [x, model.weights("w", w, w_params)], "y")
    total = model.node("Softmax", [model.node("Add", [y, model.constant("b", np.ones(3, np.float32))], "a")], "s")
    model.result(model.node("Transpose", [total], "t", perm=[1, 0, 2]), "float32")


def masks(model: Qdq) -> None:
    """Boolean and integer tensors, and an expanded tensor."""
    a, b = model.input("a", (2, 3), "int64"), model.input("b", (3,), "int64")
    total = model.node("Add", [a, b], "total")
    is_less = model.node("Less", [total, model.constant("ten", np.array(10))], "more")
    model.result(model.node("Cast", [is_less], "real", to=1), "float32")
    shape = model.constant("shape", np.array([4, 2, 3]))
    model.result(model.node("Expand", [total, shape], "wide"), "int64")


def activations(model: Qdq) -> None:
    """A product of two activations, and a float transposed convolution."""
    a, b = model.source("a", (2, 3, 5), GRID), model.source("b", (2, 5, 4), GRID)
    model.result(model.quantized(model.node("MatMul", [a, b], "y"), GRID), "uint8")
    weights = model.constant("w", np.ones((2, 3, 2, 2), np.float32))
    up = model.node("ConvTranspose", [model.input("x", (1, 2, 3, 3)), weights], "up", strides=[2, 1], pads=[0, 1, 1, 0])
    model.result(up, "float32")


def parameters(model: Qdq, name: str, params: QuantParams) -> list[str]:
    zeros = params.zero_point.astype(params.grid.numpy_dtype)
    return [model.constant(f"{name}_scale", params.scale), model.constant(f"{name}_zero", zeros)]


SEEDS: dict[str, Callable[[Qdq], None]] = {
    "float_convolution": float_convolution,
    "float_functions": float_functions,
    "mappings": mappings,
    "convolution": convolution(1),
    "grouped_convolution": convolution(2),
    "depthwise_convolution": convolution(4),
    "asymmetric_convolution": asymmetric_convolution,
    "products": products,
    "sums": sums,
    "joins": joins,
    "joined_products": joined_products,
    "pools": pools,
    "movers": movers,
    "blocks": blocks,
    "open_sizes": open_sizes,
    "masks": masks,
    "activations": activations,
}


def bundles() -> dict[str, bytes]:
    """The bundles by name."""
    contents = {"encoder": compile_model(ir.from_proto(encoder().proto()))}
    for name, build in SEEDS.items():
        model = Qdq()
        build(model)
        contents[name] = compile_model(ir.from_proto(model.proto()))
    return contents


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in bundles().items():
        (folder / f"{name}.oct").write_bytes(content)
