"""Layers: convolution, GEMM, pooling and normalization."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - its usual name

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.inputs import Inputs, Operator, ints, torch_pads

# By spatial rank.
_CONV: dict[int, Callable[..., Tensor]] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_CONV_TRANSPOSE: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}
_MAX_POOL: dict[int, Callable[..., Tensor]] = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL: dict[int, Callable[..., Tensor]] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}


def _conv(node: ir.Node, inputs: Inputs) -> Tensor:
    x = inputs[0]
    rank = x.ndim - 2
    strides, dilations = (ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    padded = F.pad(x, torch_pads(ints(node, "pads", [0] * 2 * rank)))
    groups = int(attribute(node, "group", 1))
    return _CONV[rank](padded, inputs[1], inputs.get(2), strides, 0, dilations, groups)


def _conv_transpose(node: ir.Node, inputs: Inputs) -> Tensor:
    x = inputs[0]
    rank = x.ndim - 2
    strides, dilations = (ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    output_padding, groups = ints(node, "output_padding", [0] * rank), int(attribute(node, "group", 1))
    y = _CONV_TRANSPOSE[rank](x, inputs[1], inputs.get(2), strides, 0, output_padding, groups, dilations)
    pads = ints(node, "pads", [0] * 2 * rank)
    for axis in range(rank):
        length = y.shape[2 + axis] - pads[axis] - pads[axis + rank]
        y = y.narrow(2 + axis, pads[axis], length)
    return y


def _gemm(node: ir.Node, inputs: Inputs) -> Tensor:
    lhs = inputs[0].T if attribute(node, "transA", 0) else inputs[0]
    rhs = inputs[1].T if attribute(node, "transB", 0) else inputs[1]
    product = attribute(node, "alpha", 1.0) * (lhs @ rhs)
    bias = inputs.get(2)
    return product if bias is None else product + attribute(node, "beta", 1.0) * bias


def _max_pool(node: ir.Node, inputs: Inputs) -> Tensor:
    kernel = ints(node, "kernel_shape", [])
    rank = len(kernel)
    padded = F.pad(inputs[0], torch_pads(ints(node, "pads", [0] * 2 * rank)), value=-torch.inf)
    strides, dilations = (ints(node, name, [1] * rank) for name in ("strides", "dilations"))
    return _MAX_POOL[rank](padded, kernel, strides, 0, dilations)


def _average_pool(node: ir.Node, inputs: Inputs) -> Tensor:
    kernel = ints(node, "kernel_shape", [])
    rank = len(kernel)
    pads, strides = torch_pads(ints(node, "pads", [0] * 2 * rank)), ints(node, "strides", [1] * rank)
    pool = _AVERAGE_POOL[rank]
    means = pool(F.pad(inputs[0], pads), kernel, strides)
    if attribute(node, "count_include_pad", 0) or not any(pads):
        return means
    return means / pool(F.pad(torch.ones_like(inputs[0][:1, :1]), pads), kernel, strides)


def _global_average_pool(node: ir.Node, inputs: Inputs) -> Tensor:
    return inputs[0].mean(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)


def _global_max_pool(node: ir.Node, inputs: Inputs) -> Tensor:
    return inputs[0].amax(dim=tuple(range(2, inputs[0].ndim)), keepdim=True)


def _layer_norm(node: ir.Node, inputs: Inputs) -> Tensor:
    x, bias = inputs[0], inputs.get(2)
    shape = x.shape[int(attribute(node, "axis", -1)) % x.ndim :]
    shift = None if bias is None else bias.expand(shape)
    return F.layer_norm(x, list(shape), inputs[1].expand(shape), shift, attribute(node, "epsilon", 1e-5))


def _batch_norm(node: ir.Node, inputs: Inputs) -> Tensor:
    x, scale, bias, mean, variance = (inputs[index] for index in range(5))
    return F.batch_norm(x, mean, variance, scale, bias, False, 0.0, attribute(node, "epsilon", 1e-5))


LAYERS: dict[str, Operator] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_average_pool,
    "GlobalMaxPool": _global_max_pool,
    "LayerNormalization": _layer_norm,
    "MatMul": lambda node, inputs: inputs[0] @ inputs[1],
    "MaxPool": _max_pool,
}
