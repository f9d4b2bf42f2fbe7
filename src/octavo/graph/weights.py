"""Quantize the constants of a plan: weights, per channel if the target allows it, and int32 biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from octavo.affine import (
    INT32,
    QuantParams,
    params_from_array,
    quantize_bias,
    rule,
    widen_weight_scale,
)
from octavo.errors import ModelError
from octavo.graph.constants import constant
from octavo.graph.linear import linear, stores_transposed
from octavo.graph.operators import is_constant
from octavo.graph.plan import LayerPlan, Plan, WeightPlan


@dataclass
class QuantizedConstant:
    """A quantized constant.

    Attributes:
        tensor: name of the float constant.
        integers: its integers.
        params: their parameters.
        transposed: whether `integers` are the transpose of the model's array, because the target allows scales
            along the other axis only.
    """

    tensor: str
    integers: np.ndarray
    params: QuantParams
    transposed: bool = False

    def as_in_model(self) -> QuantizedConstant:
        """The same constant in the layout of the float model's array."""
        axis = self.params.axis
        if not self.transposed or axis is None:
            return self
        params = replace(self.params, axis=1 - axis)
        return QuantizedConstant(self.tensor, np.ascontiguousarray(self.integers.T), params)


Constants = dict[tuple[str, int], QuantizedConstant]


def quantize_constants(
    model: ir.Model,
    plan: Plan,
    activations: Mapping[str, QuantParams],
    chosen_weights: Mapping[tuple[str, int], QuantizedConstant] | None = None,
) -> Constants:
    """Quantize every constant of the plan's layers.

    A weight's scale is increased, in the channels concerned, if the bias would not fit int32 at input scale
    times weight scale, or if that product is not a normal float32. This holds where the target keeps biases in
    float as well: some engines (ONNX Runtime's WeightBiasQuantization) make them int32 on their own.

    Args:
        model: the prepared float model.
        plan: its plan.
        activations: parameters of every tensor in `plan.tensors`.
        chosen_weights: weights whose scale and integers are already chosen, in the layout of the model's array;
            they are kept unless their scale has to be increased.

    Returns:
        The integers by (layer name, input index).

    Raises:
        ModelError: a constant holds NaN or infinity, or a bias is too large for any scale.
    """
    nodes = {node.name or "": node for node in model.graph}
    constants: Constants = {}
    for layer in plan.layers.values():
        for weight in layer.weights:
            known = (chosen_weights or {}).get((layer.name, weight.index))
            constants.update(_quantize_layer(plan, nodes[layer.name], layer, weight, activations, known))
    return constants


def _quantize_layer(
    plan: Plan,
    node: ir.Node,
    layer: LayerPlan,
    weight: WeightPlan,
    activations: Mapping[str, QuantParams],
    known: QuantizedConstant | None,
) -> Constants:
    array = _array(node, weight.index)
    params = chosen = weight_params(plan, layer, weight, array) if known is None else known.params
    bias = _bias_array(node, layer)
    accumulates = 0 in layer.inputs and not plan.reads_wide(layer)
    input_scale = activations[layer.inputs[0]].scale if accumulates else None
    if layer.role == "compute" and weight.index == 1 and input_scale is not None:
        worst = np.zeros(params.scale.shape) if bias is None else _worst_per_scale(bias, params)
        params = widen_weight_scale(params, worst, input_scale)
    as_chosen = known is not None and bool(np.array_equal(params.scale, chosen.scale))
    integers = known.integers if known is not None and as_chosen else rule(plan.target.rule).quantize(array, params)
    quantized = {(layer.name, weight.index): _stored(plan, node, weight, integers, params)}
    if bias is not None and plan.target.integer_bias and input_scale is not None and layer.bias is not None:
        source = node.inputs[layer.bias]
        scale = np.tile(np.atleast_1d(params.scale), bias.size // params.scale.size)
        try:
            integers = quantize_bias(bias, input_scale, scale)
        except OverflowError as error:
            raise ModelError(f"{node.op_type} '{node.name}': {error}; leave it in float with `exclude`") from None
        bias_scale = (input_scale * scale).astype(np.float32)
        quantized[layer.name, layer.bias] = QuantizedConstant(
            source.name or "" if source is not None else "",
            integers,
            QuantParams(INT32, bias_scale, np.zeros(bias_scale.shape, np.int32), axis=0),
        )
    return quantized


def _array(node: ir.Node, index: int) -> np.ndarray:
    value = node.inputs[index]
    array = constant(value)
    assert value is not None
    assert array is not None
    if not bool(np.all(np.isfinite(array))):
        raise ModelError(
            f"constant '{value.name}' of {node.op_type} '{node.name}' holds NaN or infinity; fix the model, or leave "
            "the operator in float with `exclude`"
        )
    return np.asarray(array, np.float32)


def weight_params(plan: Plan, layer: LayerPlan, weight: WeightPlan, array: np.ndarray) -> QuantParams:
    """Scale and zero point of a constant from its minimum and maximum, by the plan and the target's rule."""
    if layer.role == "carry":
        return params_from_array(array, weight.grid, symmetric=plan.target.activations.symmetric)
    derive = rule(plan.target.rule).params_from_array
    return derive(array, weight.grid, symmetric=True, axis=weight.axis, block_size=weight.block_size)


def _bias_array(node: ir.Node, layer: LayerPlan) -> np.ndarray | None:
    """The bias as float32 of shape (channels,); None if there is none that fits int32 at a scale of its own."""
    view = linear(node)
    if layer.bias is None or not is_constant(node.inputs[layer.bias]) or view is None:
        return None
    bias = _array(node, layer.bias)
    if bias.size not in (1, view.outputs) or (bias.ndim > 0 and bias.shape[-1] != bias.size):
        return None
    return np.ascontiguousarray(np.broadcast_to(bias.reshape(-1), (view.outputs,)))


def _worst_per_scale(bias: np.ndarray, params: QuantParams) -> np.ndarray:
    """The largest |bias| among the channels that share a scale, in the shape of the scale."""
    worst: np.ndarray = np.abs(bias).reshape(-1, params.scale.size).max(axis=0)
    return worst.reshape(params.scale.shape)


def _stored(
    plan: Plan, node: ir.Node, weight: WeightPlan, integers: np.ndarray, params: QuantParams
) -> QuantizedConstant:
    axes = plan.target.weight_axes
    if stores_transposed(node.op_type) and axes is not None and params.axis is not None and params.axis not in axes:
        transposed = np.ascontiguousarray(integers.T)
        return QuantizedConstant(weight.tensor, transposed, replace(params, axis=1 - params.axis), transposed=True)
    return QuantizedConstant(weight.tensor, integers, params)
