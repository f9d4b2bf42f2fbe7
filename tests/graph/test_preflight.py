"""Preflight: each rule of a target, broken by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.helpers import models
from tests.helpers.plain_quantization import quantized

from octavo.errors import TargetError
from octavo.graph.preflight import check_target, violations
from octavo.targets import Target, target

Array = NDArray[Any]


def _product(
    *,
    data_zero: Array | None = None,
    weight_zero: Array | None = None,
    scale: Array | None = None,
    weight: Array | None = None,
    axis: int | None = 1,
    opset: int = 17,
    block_size: int | None = None,
) -> ir.Model:
    """A quantized MatMul of which single parts can be replaced."""
    zero = np.zeros((), np.int8) if data_zero is None else data_zero
    integers = np.full((4, 4), 3, np.int8) if weight is None else weight
    weight_scale = np.full(4, 0.1, np.float32) if scale is None else scale
    constants = {
        "xs": np.float32(0.1),
        "xz": zero,
        "w": integers,
        "ws": weight_scale,
        "wz": np.zeros(weight_scale.shape, integers.dtype) if weight_zero is None else weight_zero,
    }
    attributes: dict[str, int] = {} if axis is None or not weight_scale.ndim else {"axis": axis}
    if block_size is not None:
        attributes["block_size"] = block_size
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"], name="quantize"),
        helper.make_node("DequantizeLinear", ["q", "xs", "xz"], ["d"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["v"], name="weights", **attributes),
        helper.make_node("MatMul", ["d", "v"], ["y"], name="product"),
    ]
    return _model(nodes, constants, helper.np_dtype_to_tensor_dtype(zero.dtype), opset)


def _model(nodes: list[Any], constants: dict[str, Any], quantized_type: int, opset: int = 17) -> ir.Model:
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
        value_info=[helper.make_tensor_value_info("q", quantized_type, [2, 4])],
    )
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8))


def _problems(model: ir.Model, to: str | Target) -> list[str]:
    problems = list(violations(model, target(to)))
    assert not any("\n" in sentence for sentence in problems)
    if problems:
        with pytest.raises(TargetError) as caught:
            check_target(model, target(to))
        assert str(caught.value) == problems[0]
    else:
        check_target(model, target(to))
    return problems


@pytest.mark.parametrize("to", ["arm-neon"])
def test_a_valid_model_has_no_violation(to: str) -> None:
    assert _problems(_product(), to) == []


def test_an_old_opset_is_refused() -> None:
    (problem,) = _problems(_product(opset=12), "arm-neon")
    assert problem.startswith("the model has opset 12 but arm-neon needs 13 or newer; convert it")


@pytest.mark.parametrize("value", [0.0, -0.1, np.nan, np.inf, 1e-40])
def test_invalid_scales_are_refused(value: float) -> None:
    (problem,) = _problems(_product(scale=np.array([0.1, 0.1, value, 0.1], np.float32)), "arm-neon")
    assert "DequantizeLinear 'weights'" in problem
    assert "quantize it again" in problem


@pytest.mark.parametrize("name", ["xs", "xz"])
def test_computed_parameters_are_refused(name: str) -> None:
    model = _product()
    value = model.graph.initializers.pop(name)
    model.graph.inputs.append(value)
    problems = _problems(model, "arm-neon")
    assert len(problems) == 2
    assert all("not a constant; make it an initializer" in problem for problem in problems)


def test_a_zero_point_may_be_left_out() -> None:
    model = _product()
    for index in (0, 1):
        model.graph[index].replace_input_with(2, None)
    assert _problems(model, "arm-neon") == []


def test_a_grid_that_the_target_does_not_support_is_refused() -> None:
    problems = _problems(_product(data_zero=np.array(3, np.uint8)), "arm-neon")
    assert problems == [
        "'quantize' stores uint8 but arm-neon takes int16 or int8; quantize for this target",
        "'dequantize' stores uint8 but arm-neon takes int16 or int8; quantize for this target",
    ]


def test_wide_weights_are_refused() -> None:
    problems = _problems(_product(weight=np.full((4, 4), 300, np.int16)), "fbgemm")
    assert any("'weights' stores int16 but fbgemm takes int8 or uint8" in problem for problem in problems)


def test_types_without_a_grid_are_refused() -> None:
    model = _product()
    weights = model.graph.initializers["w"]
    weights.type = ir.TensorType(ir.DataType.FLOAT8E4M3FN)
    assert any("stores float8e4m3fn" in sentence for sentence in _problems(model, "octavo"))


def test_zero_points_are_refused_by_a_symmetric_target() -> None:
    problems = _problems(_product(data_zero=np.array(5, np.int8), axis=0), "nvidia-tensorrt")
    assert problems[0] == "'quantize' has zero_point 5 but nvidia-tensorrt takes 0 only; use a symmetric grid"
    assert _problems(_product(data_zero=np.array(5, np.int8)), "arm-neon") == []


def test_per_channel_zero_points_of_weights_are_refused() -> None:
    (problem,) = _problems(_product(weight_zero=np.array([0, 1, 2, 3], np.int8)), "arm-neon")
    assert problem == "'weights' has per-channel zero points; per-channel weights must be symmetric"
    middle = _product(weight=np.full((4, 4), 130, np.uint8), weight_zero=np.full(4, 128, np.uint8))
    assert not any("per-channel zero" in sentence for sentence in _problems(middle, "x86-vnni"))


def test_scales_along_an_axis_that_tensorrt_does_not_support_are_refused() -> None:
    (problem,) = _problems(_product(axis=1), "nvidia-tensorrt")
    assert problem == "'weights' has scales along axis 1 but nvidia-tensorrt takes 0; transpose the weights"
    assert _problems(_product(axis=None), "nvidia-tensorrt") == [problem]
    assert _problems(_product(axis=0), "nvidia-tensorrt") == []


def test_per_channel_scales_are_refused_where_only_per_tensor_is_supported() -> None:
    plain = replace(target("arm-neon"), per_channel=False)
    (problem,) = _problems(_product(), plain)
    assert problem == "'weights' has a scale for each channel but arm-neon takes one per tensor; quantize per tensor"
    assert _problems(_product(scale=np.array(0.1, np.float32)), plain) == []


def test_blocked_scales_are_refused() -> None:
    model = _product(opset=21, scale=np.full((2, 4), 0.1, np.float32), axis=0, block_size=2)
    (problem,) = _problems(model, "arm-neon")
    assert problem == "'weights' has blocked scales, which arm-neon does not take; use per-channel scales"


def test_an_integer_bias_is_refused_where_it_must_be_float() -> None:
    problems = _problems(quantized(models.conv_relu(), "arm-neon").result, "nvidia-tensorrt")
    assert any(
        "int32 bias but nvidia-tensorrt wants float bias; leave the bias in float" in problem for problem in problems
    )


@pytest.mark.parametrize("side", [0, 1])
def test_integer_weights_with_a_float_input_are_refused(side: int) -> None:
    model = _product()
    product = model.graph[3]
    product.replace_input_with(0, model.graph.inputs[0])
    if side:
        first, second = product.inputs
        product.replace_input_with(0, second)
        product.replace_input_with(1, first)
    (problem,) = _problems(model, "arm-neon")
    where = "second" if side else "first"
    assert problem == f"MatMul 'product' reads its {where} input in float beside integer weights; put Q/DQ on both"


def test_float_weights_with_an_integer_input_belong_to_a_layer_left_in_float() -> None:
    model = _product()
    model.graph[3].replace_input_with(1, model.graph.inputs[0])
    assert _problems(model, "arm-neon") == []


@pytest.mark.parametrize(("to", "takes"), [("arm-neon", "int16 or int8"), ("nvidia-tensorrt", "int8")])
def test_models_made_for_x86_are_refused_by_targets_of_signed_activations(to: str, takes: str) -> None:
    problems = _problems(quantized(models.pooling(), "x86-vnni").result, to)
    assert problems[0] == f"'x_QuantizeLinear' stores uint8 but {to} takes {takes}; quantize for this target"
