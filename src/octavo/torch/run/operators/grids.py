"""QuantizeLinear and DequantizeLinear, with gradients."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
import torch
from torch import Tensor

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.inputs import Inputs, Operator
from octavo.torch.run.rounding import round_quotient


def _broadcastable(node: ir.Node, parameter: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape a scale or zero point (per tensor, per channel or per block) to broadcast against `shape`."""
    if parameter.numel() == 1:
        return parameter.reshape(())
    axis = int(attribute(node, "axis", 1)) % len(shape)
    block = int(attribute(node, "block_size", 0))
    if block:
        return parameter.repeat_interleave(block, axis).narrow(axis, 0, shape[axis])
    return parameter.reshape([-1 if index == axis else 1 for index in range(len(shape))])


def _quantize(node: ir.Node, inputs: Inputs) -> Tensor:
    """Quantized values as floats; the gradient passes straight through rounding and is 0 beyond the grid."""
    x, zero_point = inputs[0], inputs[2]
    scale = _broadcastable(node, inputs[1], x.shape)
    quotient = x / scale
    rounded = round_quotient(x.detach(), scale.detach()) + (quotient - quotient.detach())
    bounds = torch.iinfo(zero_point.dtype)
    return torch.clamp(rounded + _broadcastable(node, zero_point.to(x.dtype), x.shape), bounds.min, bounds.max)


def _dequantize(node: ir.Node, inputs: Inputs) -> Tensor:
    q, scale, zero_point = inputs[0], inputs[1], inputs.get(2)
    difference = q.to(scale.dtype)
    if zero_point is not None:
        difference = difference - _broadcastable(node, zero_point.to(scale.dtype), q.shape)
    return difference * _broadcastable(node, scale, q.shape)


GRIDS: dict[str, Operator] = {"DequantizeLinear": _dequantize, "QuantizeLinear": _quantize}
