"""ConvTranspose: on integers to a grid, else on floats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import accumulator_bound, requantization_multiplier
from octavo.compiler import panels
from octavo.compiler.lower.attributes import check_image, integer, integers, text, two
from octavo.compiler.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, real_array, static_shape
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, constant_tensor, view

_LIMIT = 2**31


def conv_transpose(lowering: Lowering, node: ir.Node) -> Fact:
    """An image on a grid waits for its result's grid."""
    return finish_conv_transpose(lowering, node) if _integers(lowering, node) is None else Pending(node)


def finish_conv_transpose(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    source = lowering.real(node.inputs[0])
    weights = real_array(lowering.constant(node, 1, "weights")).astype(np.float32)
    result, group = lowering.new(node), integer(node, "group", 1)
    bias = np.zeros(weights.shape[1] * group, np.float32)
    if lowering.given(node, 2) is not None:
        bias = real_array(lowering.constant(node, 2, "biases")).astype(np.float32)
    name = node.name or ""
    kernel = two(weights.shape[2:])
    constants = [
        constant_tensor(f"{name}_weights", weights.reshape(*weights.shape[:2], *kernel)),
        constant_tensor(f"{name}_bias", bias),
    ]
    attributes = [group, *kernel, *_scatter(node, source.shape, weights.shape[2:])]
    lowering.program.add("ConvTransposeFloat", name, [_image(source), *constants], _image(result), attributes)
    return Real(result)


def integer_conv_transpose(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """On integers, to the target's grid."""
    found = _integers(lowering, node)
    if found is None:
        return None
    source, weights, scale, bias = found
    group, kernel, name = integer(node, "group", 1), two(weights.shape[2:]), node.name or ""
    depth, channels = weights.shape[0] // group, weights.shape[1]
    matrices = weights.reshape(group, depth, -1)
    sums = matrices.astype(np.int32).sum(axis=1, dtype=np.int32)
    multiplier = requantization_multiplier(source.params.scale, scale, target.params.scale)
    constants = [
        constant_tensor(f"{name}_weights", panels.pack(matrices)),
        constant_tensor(f"{name}_sums", panels.columns(sums, group)),
        constant_tensor(f"{name}_bias", bias),
        constant_tensor(f"{name}_multiplier", np.broadcast_to(multiplier, group * channels)),
    ]
    result = lowering.new(node, target.params.grid.numpy_dtype, target.params)
    attributes = [group, *kernel, *_scatter(node, source.tensor.shape, weights.shape[2:]), *target.bounds]
    inputs = [_image(source.tensor), *constants]
    lowering.program.add("ConvTranspose", name, inputs, _image(result), attributes)
    return result


def _integers(
    lowering: Lowering, node: ir.Node
) -> tuple[OnGrid, NDArray[np.int8], NDArray[np.float32], NDArray[np.int32]] | None:
    """The image, the weights, and scale and bias of each channel of the result; None where it must run on floats."""
    source, known = lowering.on_grid(node.inputs[0]), lowering.fact(node.inputs[1])
    if source is None or not isinstance(known, Known) or known.params is None:
        return None
    params = known.params
    if params.grid.dtype != "int8" or params.zero_point.any() or params.axis not in (None, 1):
        return None
    check_image(source.tensor)
    channels, group = known.array.shape[1], integer(node, "group", 1)
    scale = np.tile(np.broadcast_to(params.scale, (channels,)), group).astype(np.float32)
    bias = np.zeros(scale.shape, np.float64)
    if lowering.given(node, 2) is not None:
        given = lowering.fact(node.inputs[2])
        if not isinstance(given, Known) or given.array.size != scale.size:
            return None
        bias = np.rint(real_array(given).reshape(-1) / (source.params.scale * scale).astype(np.float64))
    if np.abs(bias).max(initial=0) >= _LIMIT:
        return None
    whole = bias.astype(np.int32)
    summed = (0, 2, 3)[: known.array.ndim - 1]
    if accumulator_bound(known.array, params, source.params, whole, contraction=summed) >= _LIMIT:
        raise Unsupported("whose accumulator can overflow")
    return source, known.array.astype(np.int8), scale, whole


def _image(tensor: Tensor) -> Tensor:
    """As (N, C, H, W); an image of one axis has height 1."""
    shape = tensor.shape
    return tensor if len(shape) == 4 else view(tensor, tensor.name, (*shape[:2], 1, shape[2]))


def _scatter(node: ir.Node, shape: Sequence[int], kernel: Sequence[int]) -> list[int]:
    """Strides, pads above and to the left, dilations."""
    rank = len(kernel)
    strides = integers(node, "strides") or [1] * rank
    dilations = integers(node, "dilations") or [1] * rank
    pads = _pads(node, shape[2:], kernel, strides, dilations)
    if min(pads) < 0:
        raise Unsupported("with negative pads")
    missing = 2 - rank
    return [*[1] * missing, *strides, *[0] * missing, *pads, *[1] * missing, *dilations]


def _pads(
    node: ir.Node, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> list[int]:
    automatic, rank = text(node, "auto_pad", "NOTSET"), len(kernel)
    if automatic in ("NOTSET", "VALID") and integers(node, "output_shape") is None:
        return (integers(node, "pads") or [0] * rank)[:rank]
    more = integers(node, "output_padding") or [0] * rank
    wanted = static_shape(node.outputs[0])[2:]
    found = []
    for size, k, step, far, extra, out in zip(sizes, kernel, strides, dilations, more, wanted, strict=True):
        total = step * (size - 1) + extra + (k - 1) * far + 1 - out
        found.append(total // 2 if automatic == "SAME_UPPER" else total - total // 2)
    return found
