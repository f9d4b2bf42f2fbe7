"""Integer layers with constant weights, common to Conv, Gemm and MatMul: quantized operands, bias and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import accumulator_bound, requantization_multiplier
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant, Quantized, Unsupported
from octavo.compiler.panels import pad_columns
from octavo.compiler.program import Tensor, constant_tensor

ACCUMULATOR_LIMIT = 2**31


@dataclass(frozen=True)
class QuantizedLinear:
    """A layer that can run on integers.

    Attributes:
        source: the activation.
        weights: int8, output channels along the axis given to `quantized_linear`.
        scale: float32, one per output channel.
        bias: int32 per output channel, in units of source scale x weight scale.
        float_bias: float32 bias to add to a float result, where `bias` is zero.
    """

    source: Quantized
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    float_bias: NDArray[np.float32] | None

    def multiplier(self, target: Target | None) -> NDArray[np.float32]:
        """From accumulators to the target's grid, or to floats if there is no target."""
        source = self.source.params.scale
        if target is None:
            return np.multiply(source, self.scale, dtype=np.float32)
        return requantization_multiplier(source, self.scale, target.params.scale)


def quantized_linear(
    lowering: Lowering, node: ir.Node, axis: int, *, to_grid: bool, zero_points: bool = False
) -> QuantizedLinear | None:
    """The layer on integers, or None if it must run in float.

    Args:
        lowering: the state of the lowering.
        node: a Conv, Gemm or MatMul.
        axis: of the output channels in the weights.
        to_grid: whether the result is quantized; the bias of a float result stays float.
        zero_points: whether weights may have zero points.

    Raises:
        Unsupported: the accumulator can overflow.
    """
    source = lowering.quantized_any_layout(node.inputs[0])
    constant = lowering.lowered(node.inputs[1])
    if source is None or not isinstance(constant, Constant):
        return None
    if isinstance(lowering.lowered(node.inputs[0]), Constant):
        return None
    params = constant.params
    if params is None or params.grid.dtype not in ("int8", "int4") or params.block_size is not None:
        return None
    if (params.zero_point.any() and not zero_points) or params.axis not in (None, axis, axis - constant.array.ndim):
        return None
    scale = np.broadcast_to(params.scale, (constant.array.shape[axis],))
    bias, float_bias = _bias(lowering, node, source.params.scale * scale, to_grid)
    if bias is None:
        return None
    contraction = tuple(i for i in range(constant.array.ndim) if i != axis)
    if accumulator_bound(constant.array, params, source.params, bias, contraction=contraction) >= ACCUMULATOR_LIMIT:
        raise Unsupported("whose accumulator can overflow")
    return QuantizedLinear(source, constant.array.astype(np.int8), scale, bias, float_bias)


def _bias(
    lowering: Lowering, node: ir.Node, scale: NDArray[np.float32], to_grid: bool
) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None]:
    """The bias as int32 and as float32; no int32 if it does not fit."""
    value = lowering.optional_input(node, 2)
    if value is None or node.op_type == "MatMul":
        return np.zeros(scale.shape, np.int32), None
    constant = lowering.lowered(value)
    if not isinstance(constant, Constant) or constant.array.size not in (1, scale.size):
        return None, None
    if constant.params is not None and np.array_equal(np.broadcast_to(constant.params.scale, scale.shape), scale):
        return np.broadcast_to(constant.array.reshape(-1), scale.shape).astype(np.int32), None
    floats = np.broadcast_to(constant.values.reshape(-1), scale.shape).astype(np.float32)
    if not to_grid:
        # A float result takes the exact bias; rounded to the accumulator's scale it would differ.
        return np.zeros(scale.shape, np.int32), floats
    rounded = np.rint(floats / scale.astype(np.float64))
    return (None, None) if np.abs(rounded).max(initial=0) >= ACCUMULATOR_LIMIT else (rounded.astype(np.int32), None)


def packed_constants(
    lowering: Lowering,
    name: str,
    layer: QuantizedLinear,
    matrices: NDArray[np.int8],
    multiplier: NDArray[np.float32],
) -> list[Tensor]:
    """Packed weights of matrices (groups, K, N), and column sum, bias and multiplier of each column."""
    groups = len(matrices)
    sums = matrices.astype(np.int32).sum(axis=1, dtype=np.int32)
    columns = [pad_columns(values, groups) for values in (sums, layer.bias, multiplier)]
    return named_constants(name, [lowering.packer.pack(matrices), *columns])


def named_constants(name: str, arrays: Sequence[NDArray[Any]]) -> list[Tensor]:
    """Weights, column sums, bias and multiplier as constant tensors."""
    labels = ("weights", "sums", "bias", "multiplier")
    return [constant_tensor(f"{name}_{label}", array) for label, array in zip(labels, arrays, strict=True)]


def output_of(lowering: Lowering, node: ir.Node, target: Target | None, *, channels_last: bool = False) -> Tensor:
    """The node's output on the target's grid, or in float if there is no target."""
    if target is None:
        return lowering.new_output(node, channels_last=channels_last)
    return lowering.new_output(node, target.params.grid.numpy_dtype, target.params, channels_last=channels_last)


def add_float_bias(lowering: Lowering, name: str, result: Tensor, layer: QuantizedLinear) -> Tensor:
    """The float result with the layer's float bias added, if it has one."""
    if layer.float_bias is None:
        return result
    return add_floats(lowering, name, result, constant_tensor(f"{name}_bias", layer.float_bias))


def add_floats(lowering: Lowering, name: str, result: Tensor, bias: Tensor) -> Tensor:
    """The sum of two float tensors."""
    total = like(result, result.name)
    return lowering.program.add("BinaryFloat", name, [result, bias], total, {"function": "Add"})
