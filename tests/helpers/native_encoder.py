"""A small random encoder with most of the operators that convolutional networks do not have."""

from __future__ import annotations

import math

import numpy as np
from tests.helpers.qdq import Qdq

from octavo.affine import INT8, UINT8, QuantParams

LENGTH, HEADS, DEPTH, TOKENS = 6, 2, 8, 20
WIDTH = HEADS * DEPTH
GRID = QuantParams(UINT8, np.float32(0.03), np.int32(120))
SHARES = QuantParams(UINT8, np.float32(1 / 255), np.int32(0))


def encoder() -> Qdq:
    """One layer over int64 tokens, and a resized and a transposed image."""
    rng = np.random.default_rng(0)
    model = Qdq()
    ids, mask = model.input("ids", (1, LENGTH), "int64"), model.input("mask", (1, LENGTH), "int64")
    scale = rng.uniform(0.01, 0.02, WIDTH).astype(np.float32)
    table = model.constant("table", rng.integers(-127, 128, (TOKENS, WIDTH)).astype(np.int8))
    rows = model.dequantized(
        model.node("Gather", [table, ids], "rows"), QuantParams(INT8, scale, np.zeros(WIDTH, np.int32), 2)
    )
    inside = model.node("Greater", [mask, model.constant("zero", np.array(0))], "inside")
    wide = model.constant("wide", np.array([1, 1, 1, LENGTH]))
    inside = model.node("Reshape", [inside, wide], "inside_wide")
    ends = [model.constant("open", np.float32(0)), model.constant("shut", np.float32(-1e4))]
    added = model.node("Where", [inside, *ends], "added")
    normed = _norm(model, rows, rng)
    x = model.dequantized(model.quantized(normed, GRID), GRID)
    heads = [_head(model, x, name, rng) for name in "qkv"]
    scores = model.node("Add", [model.node("MatMul", heads[:2], "scores"), added], "masked")
    shares = model.dequantized(model.quantized(model.node("Softmax", [scores], "shares", axis=-1), SHARES), SHARES)
    mixed = model.node("MatMul", [shares, heads[2]], "mixed")
    mixed = model.dequantized(model.quantized(mixed, GRID), GRID)
    mixed = model.node("Transpose", [mixed], "back", perm=[0, 2, 1, 3])
    mixed = model.node("Reshape", [mixed, model.constant("flat", np.array([1, LENGTH, WIDTH]))], "mixed_flat")
    mixed = model.dequantized(model.quantized(mixed, GRID), GRID)
    total = model.node("Add", [_dense(model, mixed, "out", rng), normed], "total")
    hidden = _norm(model, total, rng)
    x = model.dequantized(model.quantized(hidden, GRID), GRID)
    model.result(model.quantized(_gelu(model, _dense(model, x, "wide_in", rng)), GRID), "uint8")
    model.result(hidden, "float32")
    _images(model, rng)
    return model


def _norm(model: Qdq, x: str, rng: np.random.Generator) -> str:
    vectors = [model.constant(f"{x}_{part}", rng.normal(1, 0.1, WIDTH).astype(np.float32)) for part in ("g", "b")]
    return model.node("LayerNormalization", [x, *vectors], f"{x}_norm", axis=-1)


def _dense(model: Qdq, x: str, name: str, rng: np.random.Generator) -> str:
    params = QuantParams(INT8, np.full(WIDTH, 0.01, np.float32), np.zeros(WIDTH, np.int32), 1)
    weights = model.weights(f"{name}_w", rng.integers(-127, 128, (WIDTH, WIDTH)).astype(np.int8), params)
    bias = model.constant(f"{name}_b", rng.normal(size=WIDTH).astype(np.float32))
    return model.node("Add", [model.node("MatMul", [x, weights], f"{name}_product"), bias], f"{name}_sum")


def _head(model: Qdq, x: str, name: str, rng: np.random.Generator) -> str:
    value = model.dequantized(model.quantized(_dense(model, x, name, rng), GRID), GRID)
    split = model.constant(f"{name}_split", np.array([1, LENGTH, HEADS, DEPTH]))
    value = model.node("Reshape", [value, split], f"{name}_heads")
    return model.node("Transpose", [value], f"{name}_turned", perm=[0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])


def _gelu(model: Qdq, x: str) -> str:
    part = model.node(
        "Erf", [model.node("Div", [x, model.constant("root", np.float32(math.sqrt(2)))], "gelu_d")], "erf"
    )
    part = model.node("Add", [part, model.constant("one", np.float32(1))], "gelu_a")
    return model.node("Mul", [model.node("Mul", [x, part], "gelu_m"), model.constant("half", np.float32(0.5))], "gelu")


def _images(model: Qdq, rng: np.random.Generator) -> None:
    image = model.source("image", (1, 3, 4, 5), GRID)
    params = QuantParams(INT8, np.float32(0.01), np.int32(0))
    weights = model.weights("up_w", rng.integers(-127, 128, (3, 2, 2, 3)).astype(np.int8), params)
    up = model.node("ConvTranspose", [image, weights], "up", strides=[2, 2])
    model.result(model.quantized(up, GRID), "uint8")
    scales = model.constant("scales", np.array([1, 1, 2, 1.5], np.float32))
    model.result(model.node("Resize", [image, "", scales], "large", mode="linear"), "float32")
