"""Workload of a run: operations and bytes, compared with hand-computed counts."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.models import build, node, random

import octavo
from octavo.compiler import compile_model, read_bundle
from octavo.compiler.workload import bundle_workload
from octavo.graph.workload import Workload
from octavo.measure import estimate, model_workload

N, C, M, SIDE, CLASSES = 2, 16, 32, 8, 10
CONV_MACS = N * M * SIDE * SIDE * C * 9
DEPTHWISE_MACS = N * M * SIDE * SIDE * 9
GEMM_MACS = N * M * CLASSES
WEIGHTS = 4 * (M * C * 9 + M + M * 9 + M + M * CLASSES + CLASSES)
X = np.random.default_rng(0).normal(size=(N, C, SIDE, SIDE)).astype(np.float32)


def network() -> ir.Model:
    """Conv, Relu, depthwise Conv, pooling, Gemm."""
    nodes = [
        node("Conv", ["x", "w1", "b1"], "c1", pads=[1, 1, 1, 1]),
        node("Relu", ["c1"], "r1"),
        node("Conv", ["r1", "w2", "b2"], "c2", pads=[1, 1, 1, 1], group=M),
        node("GlobalAveragePool", ["c2"], "p"),
        node("Flatten", ["p"], "f"),
        node("Gemm", ["f", "w3", "b3"], "y"),
    ]
    weights = {
        "w1": random(M, C, 3, 3),
        "b1": random(M),
        "w2": random(M, 1, 3, 3),
        "b2": random(M),
        "w3": random(M, CLASSES),
        "b3": random(CLASSES),
    }
    shape = ["N", C, SIDE, SIDE]
    return ir.from_proto(build(nodes, {"x": shape}, {"y": ["N", CLASSES]}, weights))


def test_a_float_model() -> None:
    workload = model_workload(network(), {"x": X})
    assert (workload.int8_macs, workload.float_macs) == (0, CONV_MACS + DEPTHWISE_MACS + GEMM_MACS)
    assert workload.weight_bytes == WEIGHTS
    # The Relu's output replaces c1; f is p with another shape.
    r1 = c2 = 4 * N * M * SIDE * SIDE
    assert workload.activation_bytes == X.nbytes + 2 * (r1 + c2 + 4 * N * M) + 4 * N * CLASSES


def test_a_quantized_model_and_its_bundle() -> None:
    quantized = octavo.quantize(network(), {"x": X}, "octavo", verify=False).model
    workload = model_workload(quantized, {"x": X})
    assert (workload.int8_macs, workload.float_macs) == (CONV_MACS + DEPTHWISE_MACS + GEMM_MACS, 0)
    assert WEIGHTS / 4 < workload.weight_bytes < WEIGHTS / 2
    floats = model_workload(network(), {"x": X}).activation_bytes
    ends = X.nbytes + 4 * N * CLASSES
    assert workload.activation_bytes - ends < 0.6 * (floats - ends)

    bundle = bundle_workload(read_bundle(compile_model(quantized, batch=N)))
    assert bundle.float_macs == 0
    # Weights are padded to multiples of eight in K.
    assert bundle.int8_macs == pytest.approx(workload.int8_macs, rel=0.02)


def test_products_of_activations_are_counted() -> None:
    nodes = [node("Transpose", ["x"], "t", perm=[0, 2, 1]), node("MatMul", ["x", "t"], "y")]
    model = ir.from_proto(build(nodes, {"x": ["N", 5, 7]}, {"y": ["N", 5, 5]}))
    x = np.zeros((3, 5, 7), np.float32)
    assert model_workload(model, {"x": x}).float_macs == 3 * 5 * 5 * 7


def test_an_estimate_adds_up_and_rises_with_each_part() -> None:
    work = Workload(1e9, 1e9, 1e6, 1e6)
    energy = estimate(work)
    assert energy.arithmetic == pytest.approx((0.3 + 4.6) * 1e-3)
    assert energy.weights == pytest.approx(162.5e-6)
    assert energy.activations == pytest.approx(12.5e-6)
    assert energy.total == pytest.approx(energy.arithmetic + energy.weights + energy.activations)
