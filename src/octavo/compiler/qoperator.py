"""QOperator form (QLinearConv and others) to QDQ form.

Both have the same arithmetic: an integer accumulator, one multiply by Sx Sw / Sy in float32, one rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph.constants import constant, new_constant

_Value = ir.Value | None
_Operand = tuple[_Value, _Value, _Value]


@dataclass(frozen=True)
class Parts:
    """The parts of a QOperator node.

    Attributes:
        operator: type of the corresponding float operator.
        operands: integers, scale and zero point of each operand.
        result: scale and zero point of the result; no scale if it is float.
        bias: int32, with the product of the operands' scales as its scale.
    """

    operator: str
    operands: tuple[_Operand, ...]
    result: tuple[_Value, _Value]
    bias: _Value = None


class QOperatorToQdqPass(ir.passes.InPlacePass):
    """Replace QLinear operators of ONNX and com.microsoft by DequantizeLinear, the float operator and QuantizeLinear.

    Operators whose scales are not constant stay.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass.

        Raises:
            ModelError: a node lacks required inputs.
        """
        modified = False
        for node in list(model.graph):
            split = _SPLIT.get(node.op_type)
            if split is None or node.domain not in ("", "ai.onnx", "com.microsoft"):
                continue
            try:
                parts = split(list(node.inputs))
            except ValueError:
                raise ModelError(f"{node.op_type} '{node.name}' lacks inputs; export the model again") from None
            if _has_constant_scales(node, parts):
                _Rewriter(model.graph, node).rewrite(parts)
                modified = True
        return ir.passes.PassResult(model, modified)


def _unary(operator: str) -> Callable[[list[_Value]], Parts]:
    def split(inputs: list[_Value]) -> Parts:
        x, x_scale, x_zero, y_scale, y_zero = _padded(inputs, 5)
        return Parts(operator, ((x, x_scale, x_zero),), (y_scale, y_zero))

    return split


def _binary(operator: str) -> Callable[[list[_Value]], Parts]:
    def split(inputs: list[_Value]) -> Parts:
        a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = _padded(inputs, 8)
        return Parts(operator, ((a, a_scale, a_zero), (b, b_scale, b_zero)), (y_scale, y_zero))

    return split


def _conv(inputs: list[_Value]) -> Parts:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias = _padded(inputs, 9)
    return Parts("Conv", ((x, x_scale, x_zero), (w, w_scale, w_zero)), (y_scale, y_zero), bias)


def _gemm(inputs: list[_Value]) -> Parts:
    a, a_scale, a_zero, b, b_scale, b_zero, bias, y_scale, y_zero = _padded(inputs, 9)
    return Parts("Gemm", ((a, a_scale, a_zero), (b, b_scale, b_zero)), (y_scale, y_zero), bias)


def _concat(inputs: list[_Value]) -> Parts:
    y_scale, y_zero, *rest = inputs
    operands = zip(rest[0::3], rest[1::3], rest[2::3], strict=True)
    return Parts("Concat", tuple(operands), (y_scale, y_zero))


_SPLIT: dict[str, Callable[[list[_Value]], Parts]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _binary("MatMul"),
    "QGemm": _gemm,
    "QLinearAdd": _binary("Add"),
    "QLinearMul": _binary("Mul"),
    "QLinearAveragePool": _unary("AveragePool"),
    "QLinearGlobalAveragePool": _unary("GlobalAveragePool"),
    "QLinearSigmoid": _unary("Sigmoid"),
    "QLinearLeakyRelu": _unary("LeakyRelu"),
    "QLinearSoftmax": _unary("Softmax"),
    "QLinearConcat": _concat,
}
# Attributes that the float operator does not have, with their neutral values.
_NEUTRAL = {"channels_last": 0, "opset": 13}


def _padded(inputs: list[_Value], count: int) -> list[_Value]:
    if len(inputs) > count:
        raise ValueError
    return inputs + [None] * (count - len(inputs))


def _has_constant_scales(node: ir.Node, parts: Parts) -> bool:
    """Whether all scales are constant and the additional attributes are neutral."""
    if any(name in node.attributes and node.attributes[name].as_int() != neutral for name, neutral in _NEUTRAL.items()):
        return False
    scales = [*(operand[1] for operand in parts.operands), *(scale for scale in parts.result[:1] if scale is not None)]
    return all(constant(scale) is not None for scale in scales)


class _Rewriter:
    """Replaces one QOperator node by its QDQ nodes."""

    def __init__(self, graph: ir.Graph, node: ir.Node) -> None:
        self.graph, self.node = graph, node
        self.label = node.name or node.outputs[0].name or node.op_type

    def rewrite(self, parts: Parts) -> None:
        inputs = [self._dequantized(f"{self.label}_{i}", *operand) for i, operand in enumerate(parts.operands)]
        if parts.bias is not None:
            inputs.append(self._bias(parts))
        output = self.node.outputs[0]
        attributes = [attribute for name, attribute in self.node.attributes.items() if name not in _NEUTRAL]
        result = self._node(parts.operator, self.label, inputs, attributes)
        if parts.result[0] is not None:
            result = self._node("QuantizeLinear", f"{self.label}_quantized", [result, *parts.result], [])
        result.type, result.shape = output.type, output.shape
        ir.convenience.replace_all_uses_with(output, result, replace_graph_outputs=True)
        name = output.name
        self.graph.remove(self.node, safe=True)
        result.name = name

    def _node(self, operator: str, label: str, inputs: Sequence[_Value], attributes: Sequence[ir.Attr]) -> ir.Value:
        node = ir.Node("", operator, inputs, attributes, name=label)
        self.graph.insert_before(self.node, node)
        node.outputs[0].name = f"{label}_output"
        return node.outputs[0]

    def _dequantized(self, label: str, x: _Value, scale: _Value, zero: _Value, axis: int | None = None) -> ir.Value:
        """A dequantized operand; scales that are no scalar are per output channel."""
        scales = constant(scale)
        if axis is None and scales is not None and scales.size > 1:
            axis = 0 if self.node.op_type == "QLinearConv" or self._is_transposed() else -1
            if scales.ndim > 1 and scales.shape[-1] == scales.size:
                scale, zero = self._flat(scale), self._flat(zero)
        attributes = [] if axis is None else [ir.AttrInt64("axis", axis)]
        return self._node("DequantizeLinear", f"{label}_dequantized", [x, scale, zero], attributes)

    def _is_transposed(self) -> bool:
        attribute = self.node.attributes.get("transB")
        return attribute is not None and attribute.as_int() != 0

    def _flat(self, value: _Value) -> _Value:
        array = constant(value)
        return value if array is None else new_constant(self.graph, f"{self.label}_flat", array.reshape(-1))

    def _bias(self, parts: Parts) -> ir.Value:
        scales = [np.asarray(constant(operand[1])).reshape(-1).astype(np.float32) for operand in parts.operands]
        product = np.multiply(*scales, dtype=np.float32)
        scale = new_constant(self.graph, f"{self.label}_bias_scale", product if product.size > 1 else product[0])
        return self._dequantized(f"{self.label}_bias", parts.bias, scale, None, axis=0 if product.size > 1 else None)
