"""Proofs that accumulators cannot overflow, against all inputs at the bounds of the grid."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper
from tests.helpers import models
from tests.helpers.models import PATTERNS, Arrays, build, node, random, run
from tests.helpers.plain_quantization import Quantized, quantized

from octavo.graph import prepare, proof
from octavo.graph.plan import make_plan
from octavo.graph.proof import LIMIT, OverflowProof, prove
from octavo.targets import target, target_names

INTEGER = [name for name in target_names() if not target(name).weights_only]


def _proofs(case: Quantized) -> list[OverflowProof]:
    return prove(case.prepared, case.plan, case.activations, case.constants)


def _largest(case: Quantized, shape: Sequence[int]) -> int:
    """The largest |accumulator| of the first layer over all inputs whose values are bounds of the grid.

    An accumulator is linear in its input, so no other input has a larger one.
    """
    layer = next(iter(case.plan.layers.values()))
    original = next(n for n in ir.to_proto(case.prepared).graph.node if n.name == layer.name)
    params = next(case.activations[name] for name in layer.inputs.values())
    ends = [params.grid.qmin - int(params.zero_point), params.grid.qmax - int(params.zero_point)]
    only = helper.make_graph([original], "one", [], [])
    model = helper.make_model(only, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    del model.graph.node[0].output[1:]
    model.graph.input.append(helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape))
    model.graph.output.append(helper.make_tensor_value_info(original.output[0], onnx.TensorProto.FLOAT, None))
    integers = _integers(case, layer.name, original)
    # A float bias is added after the accumulator.
    model.graph.node[0].input[:] = [name for name in original.input if name == "x" or name in integers]
    for name, array in integers.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    corners = itertools.product(ends, repeat=int(np.prod(shape)))
    values = [run(model, {"x": np.array(c, np.float32).reshape(shape)})[original.output[0]] for c in corners]
    return int(max(np.abs(v).max() for v in values))


def _integers(case: Quantized, layer: str, original: onnx.NodeProto) -> Arrays:
    """The integer constants of the layer as floats, in which they are exact."""
    return {
        original.input[index]: (constant.integers.T if constant.transposed else constant.integers).astype(np.float32)
        for (name, index), constant in case.constants.items()
        if name == layer
    }


def _layer(kind: str, weights: Arrays, opset: int = 17) -> tuple[onnx.ModelProto, list[int]]:
    """A model of one small layer, and the shape of its input."""
    bias = ["b"] if "b" in weights else []
    layers = {
        "Conv": (node("Conv", ["x", "w", *bias], "y"), [1, 2, 1, 2], [1, 2, 1, 1]),
        "Depthwise": (node("Conv", ["x", "w", *bias], "y", group=2), [1, 2, 1, 2], [1, 2, 1, 1]),
        "ConvTranspose": (node("ConvTranspose", ["x", "w", *bias], "y"), [1, 2, 1, 1], [1, 2, 1, 1]),
        "Gemm": (node("Gemm", ["x", "w", *bias], "y"), [1, 4], [1, 2]),
        "GemmTransposed": (node("Gemm", ["x", "w", *bias], "y", transB=1), [1, 4], [1, 2]),
        "MatMul": (node("MatMul", ["x", "w"], "y"), [1, 4], [1, 2]),
        "First": (node("MatMul", ["w", "x"], "y"), [4, 1], [2, 1]),
        "Vector": (node("MatMul", ["x", "w"], "y"), [1, 4], [1]),
    }
    layer, input_shape, output_shape = layers[kind]
    used_weights = weights if kind not in ("MatMul", "First", "Vector") else {"w": weights["w"]}
    return build([layer], {"x": input_shape}, {"y": output_shape}, used_weights, opset=opset), input_shape


SHAPES = {
    "Conv": (2, 2, 1, 2),
    "Depthwise": (2, 1, 1, 2),
    "ConvTranspose": (2, 2, 1, 1),
    "Gemm": (4, 2),
    "GemmTransposed": (2, 4),
    "MatMul": (4, 2),
    "First": (2, 4),
    "Vector": (4,),
}


# x86 targets leave thin convolutions in float, so these are other targets.
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("to", ["octavo", "arm-neon", "fbgemm", "nvidia-tensorrt"])
@pytest.mark.parametrize("bias", [True, False])
def test_no_input_exceeds_the_bound(kind: str, to: str, bias: bool) -> None:
    weights = {"w": random(*SHAPES[kind]), **({"b": random(2)} if bias else {})}
    model, shape = _layer(kind, weights)
    case = quantized(model, to)
    assert _largest(case, shape) <= _proofs(case)[0].bound


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("to", ["octavo", "arm-neon", "fbgemm", "nvidia-tensorrt"])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_bound_is_reached_where_weights_have_one_sign(kind: str, to: str, sign: int) -> None:
    weights = {"w": sign * np.abs(random(*SHAPES[kind]))}
    model, shape = _layer(kind, weights)
    case = quantized(model, to)
    assert _largest(case, shape) == _proofs(case)[0].bound


@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SHAPES)), st.floats(1e-6, 10))
def test_the_bound_holds_for_any_small_layer(seed: int, kind: str, spread: float) -> None:
    weights = {"w": random(*SHAPES[kind], seed=seed), "b": random(2, seed=seed, spread=spread)}
    model, shape = _layer(kind, weights)
    case = quantized(model, "octavo")
    proof = _proofs(case)[0]
    assert _largest(case, shape) <= proof.bound
    assert proof.holds


def test_the_bound_includes_the_bias() -> None:
    shape = SHAPES["Gemm"]
    bounds = []
    for bias in (0.0, 0.5):
        model, _ = _layer("Gemm", {"w": np.abs(random(*shape)), "b": np.full(2, bias, np.float32)})
        case = quantized(model, "octavo")
        bounds.append(_proofs(case)[0].bound)
    assert bounds[1] == bounds[0] + np.abs(case.constants["gemm_y", 2].integers).max()


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("to", INTEGER)
def test_every_compute_layer_has_a_proof(name: str, to: str) -> None:
    case = quantized(PATTERNS[name](), to)
    proofs = _proofs(case)
    products = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
    assert [p.layer for p in proofs] == [layer.name for layer in case.plan.layers.values() if layer.op in products]
    assert all(p.holds and p.bound > 0 for p in proofs)


def test_products_of_two_activations_count_their_length() -> None:
    case = quantized(models.attention(), "octavo")
    proofs = {p.layer: p for p in _proofs(case)}
    q, k = case.activations["q"], case.activations["kt"]
    reach = [max(p.grid.qmax - int(p.zero_point), int(p.zero_point) - p.grid.qmin) for p in (q, k)]
    assert proofs["matmul_s"].bound == 16 * reach[0] * reach[1]
    assert proofs["matmul_s"].terms is None


def test_products_of_unknown_length_say_how_many_terms_fit() -> None:
    model = build([node("MatMul", ["x", "z"], "y")], {"x": [4, "K"], "z": ["K", 4]}, {"y": [4, 4]})
    proof = _proofs(quantized(model, "octavo"))[0]
    assert proof.terms is not None
    assert proof.terms * proof.bound <= LIMIT < (proof.terms + 1) * proof.bound
    assert proof.holds


def test_the_proof_of_a_layer_above_the_limit_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    case = quantized(models.mlp(), "octavo")
    first, second = _proofs(case)
    low, high = sorted([first.bound, second.bound])
    monkeypatch.setattr(proof, "LIMIT", low)
    assert sorted(p.bound for p in _proofs(case) if p.holds) == [low]
    monkeypatch.setattr(proof, "LIMIT", low - 1)
    assert not any(p.holds for p in _proofs(case))
    monkeypatch.setattr(proof, "LIMIT", high)
    assert all(p.holds for p in _proofs(case))


def test_the_limit_is_that_of_32_bits() -> None:
    assert np.iinfo(np.int32).max == LIMIT
    assert OverflowProof("a", "Gemm", LIMIT).holds
    assert not OverflowProof("a", "Gemm", LIMIT + 1).holds


def test_a_layer_left_out_for_its_overflow_gives_its_reason() -> None:
    prepared = prepare(ir.from_proto(models.mlp()))
    plan = make_plan(prepared, target("octavo"), left_out={"gemm_g": "its accumulator could overflow"})
    assert "gemm_g" not in plan.layers
    assert {left.name: left.why for left in plan.left_float}["gemm_g"] == "its accumulator could overflow"
