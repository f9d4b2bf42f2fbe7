"""Conv, Gemm and MatMul with constant weights: on integers, to a grid or to floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import accumulator_bound, requantization_multiplier
from octavo.compiler import panels
from octavo.compiler.kinds import BINARY
from octavo.compiler.lower.attributes import check_image, integer, number, two, window
from octavo.compiler.lower.facts import Fact, Known, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, like, real_array
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, constant_tensor, new_tensor

_LIMIT = 2**31
_FEW_CHANNELS = 4


@dataclass(frozen=True)
class Product:
    """A layer that can run on integers.

    Attributes:
        source: its activation.
        weights: int8, output channels along `axis`.
        scale: float32 of each output channel.
        bias: int32 of each output channel, at the product of the scales.
        rest: what of the bias is not in `bias` and must be added to a float result.
    """

    source: OnGrid
    weights: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.int32]
    rest: NDArray[np.float32] | None


def product_of(
    lowering: Lowering, node: ir.Node, axis: int, *, to_grid: bool, zero_points: bool = False
) -> Product | None:
    """The layer on integers, or None where it must run on floats."""
    source = lowering.on_grid_as_it_lies(node.inputs[0])
    known = lowering.fact(node.inputs[1])
    if source is None or not isinstance(known, Known) or isinstance(lowering.fact(node.inputs[0]), Known):
        return None
    params = known.params
    if params is None or params.grid.dtype not in ("int8", "int4") or params.block_size is not None:
        return None
    if (params.zero_point.any() and not zero_points) or params.axis not in (None, axis, axis - known.array.ndim):
        return None
    channels = known.array.shape[axis]
    scale = np.broadcast_to(params.scale, (channels,))
    bias, rest = _bias(lowering, node, source.params.scale * scale, to_grid)
    if bias is None:
        return None
    summed = tuple(i for i in range(known.array.ndim) if i != axis)
    if accumulator_bound(known.array, params, source.params, bias, contraction=summed) >= _LIMIT:
        raise Unsupported("whose accumulator can overflow")
    return Product(source, known.array.astype(np.int8), scale, bias, rest)


def _bias(
    lowering: Lowering, node: ir.Node, scale: NDArray[np.float32], to_grid: bool
) -> tuple[NDArray[np.int32] | None, NDArray[np.float32] | None]:
    """The bias as integers, and what of it stays float; no integers where it does not fit."""
    value = lowering.given(node, 2)
    if value is None or node.op_type == "MatMul":
        return np.zeros(scale.shape, np.int32), None
    known = lowering.fact(value)
    if not isinstance(known, Known) or known.array.size not in (1, scale.size):
        return None, None
    if known.params is not None and np.array_equal(np.broadcast_to(known.params.scale, scale.shape), scale):
        return np.broadcast_to(known.array.reshape(-1), scale.shape).astype(np.int32), None
    real = np.broadcast_to(real_array(known).reshape(-1), scale.shape).astype(np.float32)
    if not to_grid:
        # A float result holds the bias as it is; rounded to the product's scale it would be another.
        return np.zeros(scale.shape, np.int32), real
    rounded = np.rint(real / scale.astype(np.float64))
    return (None, None) if np.abs(rounded).max(initial=0) >= _LIMIT else (rounded.astype(np.int32), None)


def conv(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers if it can; else on floats."""
    if product_of(lowering, node, 0, to_grid=False) is not None:
        return Pending(node)
    return Real(_float_conv(lowering, node))


def gemm(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers if it can; else on floats."""
    _check_gemm(node)
    if product_of(lowering, node, _column_axis(node), to_grid=False) is not None:
        return Pending(node)
    return Real(_float_gemm(lowering, node))


def matmul(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers if its second operand is a constant matrix; else on floats."""
    known = lowering.fact(node.inputs[1])
    if isinstance(known, Known) and known.array.ndim == 2 and product_of(lowering, node, 1, to_grid=False) is not None:
        return Pending(node)
    a, b = lowering.real(node.inputs[0]), lowering.real(node.inputs[1])
    return Real(_multiply(lowering, node, a, b, lowering.new(node)))


def finish_conv(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers, to floats."""
    return Real(_required(integer_conv(lowering, node, None)))


def finish_matrix(lowering: Lowering, node: ir.Node) -> Fact:
    """On integers, to floats."""
    return Real(_required(integer_matrix(lowering, node, None)))


def integer_conv(lowering: Lowering, node: ir.Node, target: Target | None) -> Tensor | None:
    """A Conv on integers, to the target's grid or, without one, to floats."""
    product = product_of(lowering, node, 0, to_grid=target is not None)
    if product is None:
        return None
    source, weights, group = product.source.tensor, product.weights, integer(node, "group", 1)
    check_image(source)
    name, result = node.name or "", _result(lowering, node, target, channels_last=True)
    # Few channels: the kernel copies the image anyway, and takes it as it comes.
    planar = not source.channels_last and 1 < source.shape[1] <= _FEW_CHANNELS and group == 1
    if not planar:
        source = lowering.layouts.channels_last(source)
    sizes = source.shape[2:] if planar else source.shape[1:-1]
    moves, kernel = window(node, sizes, weights.shape[2:]), two(weights.shape[2:])
    bounds = [0, 0] if target is None else target.bounds
    multiplier = _multiplier(product, target)
    if weights.shape[1] == 1 and group > 1 and weights.shape[0] == group:
        rows = weights.reshape(group, *kernel).transpose(1, 2, 0)
        sums = weights.reshape(group, -1).sum(axis=1, dtype=np.int32)
        inputs = [source, *_constants(name, [rows, sums, product.bias, multiplier])]
        lowering.program.add("DepthwiseConv", name, inputs, result, [*moves, *bounds])
    else:
        matrices = _segmented(weights.reshape(group, -1, weights.shape[1], *kernel), dilated=moves[-1] != 1)
        inputs = [source, *_constants(name, _columns(product, matrices, multiplier))]
        lowering.program.add("Conv", name, inputs, result, [group, *kernel, *moves, planar, *bounds])
    return _with_rest(lowering, name, result, product, (-1,))


def _segmented(weights: NDArray[np.int8], *, dilated: bool) -> NDArray[np.int8]:
    """Weights (groups, N, C, H, W) as matrices (groups, K, N); `kernels.h` says in which order k runs, and with
    which zeros."""
    groups, n, _, height, width = weights.shape
    rows = weights.transpose(0, 3, 4, 2, 1).reshape(groups, height * width if dilated else height, -1, n)
    filled = np.zeros((*rows.shape[:2], -(-rows.shape[2] // 8) * 8, n), np.int8)
    filled[:, :, : rows.shape[2]] = rows
    return filled.reshape(groups, -1, n)


def integer_matrix(lowering: Lowering, node: ir.Node, target: Target | None) -> Tensor | None:
    """A Gemm or MatMul on integers, to the target's grid or, without one, to floats."""
    axis = _column_axis(node)
    product = product_of(lowering, node, axis, to_grid=target is not None)
    if product is None:
        return None
    matrix = product.weights.T if axis == 0 else product.weights
    source = lowering.layouts.channels_first(product.source.tensor)
    name, result = node.name or "", _result(lowering, node, target)
    columns = _columns(product, matrix[np.newaxis], _multiplier(product, target))
    inputs = [source, *_constants(name, columns)]
    lowering.program.add("MatMul", name, inputs, result, [0, 0] if target is None else target.bounds)
    return _with_rest(lowering, name, result, product, (-1,))


def _required(tensor: Tensor | None) -> Tensor:
    assert tensor is not None  # it was asked before the node was left pending
    return tensor


def _columns(product: Product, matrices: NDArray[np.int8], multiplier: NDArray[np.float32]) -> list[NDArray[Any]]:
    """The weights in panels, and the sum, bias and multiplier of each column."""
    groups = len(matrices)
    sums = matrices.astype(np.int32).sum(axis=1, dtype=np.int32)
    return [panels.pack(matrices), *(panels.columns(each, groups) for each in (sums, product.bias, multiplier))]


def _constants(name: str, arrays: Sequence[NDArray[Any]]) -> list[Tensor]:
    labels = ("weights", "sums", "bias", "multiplier")
    return [constant_tensor(f"{name}_{label}", array) for label, array in zip(labels, arrays, strict=True)]


def _multiplier(product: Product, target: Target | None) -> NDArray[np.float32]:
    source = product.source.params.scale
    if target is None:
        return np.multiply(source, product.scale, dtype=np.float32)
    return requantization_multiplier(source, product.scale, target.params.scale)


def _result(lowering: Lowering, node: ir.Node, target: Target | None, *, channels_last: bool = False) -> Tensor:
    if target is None:
        return lowering.new(node, channels_last=channels_last)
    return lowering.new(node, target.params.grid.numpy_dtype, target.params, channels_last=channels_last)


def _with_rest(lowering: Lowering, name: str, result: Tensor, product: Product, shape: tuple[int, ...]) -> Tensor:
    if product.rest is None:
        return result
    rest = constant_tensor(f"{name}_bias", product.rest.reshape(shape))
    return _added(lowering, name, result, rest)


def _added(lowering: Lowering, name: str, result: Tensor, bias: Tensor) -> Tensor:
    total = like(result, result.name)
    return lowering.program.add("BinaryFloat", name, [result, bias], total, [BINARY["Add"]])


def _column_axis(node: ir.Node) -> int:
    return 0 if node.op_type == "Gemm" and integer(node, "transB", 0) else 1


def _check_gemm(node: ir.Node) -> None:
    if number(node, "alpha", 1.0) != 1.0 or integer(node, "transA", 0):
        raise Unsupported("with alpha or a transposed first operand")
    if number(node, "beta", 1.0) != 1.0:
        raise Unsupported("with beta")


def _float_conv(lowering: Lowering, node: ir.Node) -> Tensor:
    source = lowering.layouts.channels_last(lowering.real_as_it_lies(node.inputs[0]))
    check_image(source)
    weights = real_array(lowering.constant(node, 1, "weights"))
    kernel, group = two(weights.shape[2:]), integer(node, "group", 1)
    rows = weights.reshape(group, -1, weights.shape[1], *kernel).transpose(0, 3, 4, 2, 1)
    bias = np.zeros(len(weights), np.float32)
    if lowering.given(node, 2) is not None:
        bias = real_array(lowering.constant(node, 2, "biases")).astype(np.float32)
    moves, name = window(node, source.shape[1:-1], weights.shape[2:]), node.name or ""
    constants = [
        constant_tensor(f"{name}_weights", rows.astype(np.float32).reshape(-1, rows.shape[-1])),
        constant_tensor(f"{name}_bias", bias),
    ]
    attributes = [group, *kernel, *moves]
    result = lowering.new(node, channels_last=True)
    return lowering.program.add("ConvFloat", name, [source, *constants], result, attributes)


def _float_gemm(lowering: Lowering, node: ir.Node) -> Tensor:
    a, b, name = lowering.real(node.inputs[0]), _second(lowering, node), node.name or ""
    product = _multiply(lowering, node, a, b, lowering.new(node))
    value = lowering.given(node, 2)
    return product if value is None else _added(lowering, name, product, lowering.real(value))


def _second(lowering: Lowering, node: ir.Node) -> Tensor:
    """The second operand of a Gemm as (K, N)."""
    value, fact = node.inputs[1], lowering.fact(node.inputs[1])
    if not integer(node, "transB", 0):
        return lowering.real(value)
    if isinstance(fact, Known):
        return constant_tensor(f"{node.name}_weights", real_array(fact).astype(np.float32).T)
    source = lowering.real(value)
    turned = new_tensor(f"{source.name}_transposed", source.dtype, source.shape[::-1])
    return lowering.program.add("Transpose", node.name or "", [source], turned, [1, 0])


def _multiply(lowering: Lowering, node: ir.Node, a: Tensor, b: Tensor, result: Tensor) -> Tensor:
    if a.dtype != np.float32 or b.dtype != np.float32:
        raise Unsupported(f"of {a.dtype} and {b.dtype}")
    if len(a.shape) < 2 or (len(b.shape) != 2 and a.shape[:-2] != b.shape[:-2]):
        raise Unsupported("of operands whose leading axes differ")
    return lowering.program.add("MatMulFloat", node.name or "", [a, b], result)
