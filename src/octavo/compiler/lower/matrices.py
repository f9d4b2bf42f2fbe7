"""Products with weights of any zero point, or with a matrix for each of a batch: operator MatMulInteger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler import panels
from octavo.compiler.lower.attributes import check_image, two, window
from octavo.compiler.lower.facts import Unsupported
from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.program import Tensor, constant_tensor, new_tensor, view


@dataclass(frozen=True)
class Matrices:
    """Weights and what belongs to their columns.

    Attributes:
        weights: int8 of shape (groups, K, N).
        zero_points: int32 of shape (groups, N), as are the others.
        bias: int32.
        multiplier: float32; of no effect on a result of int32.
    """

    weights: NDArray[np.int8]
    zero_points: NDArray[np.int32]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]


def zero_point_tensor(name: str, source: Tensor) -> Tensor:
    """The zero point of integers on a grid, as a tensor."""
    zero_point = 0 if source.params is None else int(source.params.zero_point)
    return constant_tensor(f"{name}_zero_point", np.asarray(zero_point, source.dtype))


def multiply(
    lowering: Lowering,
    node: ir.Node,
    operands: tuple[Tensor, Tensor],
    matrices: Matrices,
    result: Tensor,
    bounds: Sequence[int] = (0, 0),
) -> Tensor:
    """An activation, whose zero point is the second operand, times the matrices."""
    groups, name = len(matrices.weights), node.name or ""
    sums = matrices.weights.sum(axis=1, dtype=np.int32)
    columns: dict[str, NDArray[Any]] = {
        "sums": sums,
        "zero_points": matrices.zero_points,
        "bias": matrices.bias,
        "multiplier": matrices.multiplier,
    }
    inputs = [
        *operands,
        constant_tensor(f"{name}_weights", panels.pack(matrices.weights)),
        *(constant_tensor(f"{name}_{key}", panels.columns(each, groups)) for key, each in columns.items()),
    ]
    return lowering.program.add("MatMulInteger", name, inputs, result, [groups, *bounds])


def check_batch(source: Tensor, weights: Sequence[int]) -> None:
    """Refuse a batch of matrices (..., K, N) whose axes are not the last ones of the activation's batch."""
    batch = tuple(weights[:-2])
    fits = len(source.shape) >= len(weights) and tuple(source.shape[-len(weights) : -2]) == batch
    if batch and not fits:
        raise Unsupported("of operands whose leading axes differ")


def convolve(
    lowering: Lowering,
    node: ir.Node,
    operands: tuple[Tensor, Tensor],
    kernel: Sequence[int],
    matrices: Matrices,
    result: Tensor,
    bounds: Sequence[int] = (0, 0),
) -> Tensor:
    """A convolution, whose channels come last, as the product of patches with a matrix for each group."""
    source, zero_point = operands
    check_image(source)
    name, (groups, depth, width) = node.name or "", matrices.weights.shape
    attributes = [groups, *two(kernel), *window(node, source.shape[1:-1], kernel)]
    places = result.count // result.shape[0] // (groups * width)
    patches = new_tensor(f"{name}_patches", source.dtype, (source.shape[0], groups, places, depth))
    lowering.program.add("Patches", name, [source, zero_point], patches, attributes)
    if groups == 1:
        whole = view(result, result.name, (*patches.shape[:3], width))
        multiply(lowering, node, (patches, zero_point), matrices, whole, bounds)
        return result
    product = new_tensor(f"{name}_product", result.dtype, (*patches.shape[:3], width), result.params)
    multiply(lowering, node, (patches, zero_point), matrices, product, bounds)
    turned = view(result, result.name, (patches.shape[0], places, groups, width))
    lowering.program.add("Transpose", name, [product], turned, [0, 2, 1, 3])
    return result


def of_channels(weights: NDArray[np.int8], group: int) -> NDArray[np.int8]:
    """A convolution's weights (output channels, channels, ...) as matrices (groups, K, N), in K the channels last."""
    rows = np.moveaxis(weights, 1, -1).reshape(group, weights.shape[0] // group, -1)
    return rows.transpose(0, 2, 1)
