"""GEMMs of integers with zero points on both operands, or with one matrix per batch element: MatMulInteger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower.lowering import Lowering
from octavo.compiler.lower.target import Target, bounds_of
from octavo.compiler.lower.values import Unsupported
from octavo.compiler.lower.window import check_image, height_width, window
from octavo.compiler.panels import pad_columns
from octavo.compiler.program import Tensor, constant_tensor, new_tensor, view


@dataclass(frozen=True)
class IntegerWeights:
    """Weight matrices, and the parameters of their columns.

    Attributes:
        matrices: int8 of shape (groups, K, N).
        zero_points: int32 of shape (groups, N), as the others.
        bias: int32.
        multiplier: float32; ignored by an int32 result.
    """

    matrices: NDArray[np.int8]
    zero_points: NDArray[np.int32]
    bias: NDArray[np.int32]
    multiplier: NDArray[np.float32]


def zero_point_tensor(name: str, source: Tensor) -> Tensor:
    """The zero point of a quantized tensor as a constant tensor."""
    zero_point = 0 if source.params is None else int(source.params.zero_point)
    return constant_tensor(f"{name}_zero_point", np.asarray(zero_point, source.dtype))


def multiply(
    lowering: Lowering,
    node: ir.Node,
    operands: tuple[Tensor, Tensor],
    weights: IntegerWeights,
    result: Tensor,
    target: Target | None = None,
) -> Tensor:
    """GEMM of an activation and its zero point, the two operands, with the weights."""
    groups, name = len(weights.matrices), node.name or ""
    columns: dict[str, NDArray[Any]] = {
        "sums": weights.matrices.sum(axis=1, dtype=np.int32),
        "zero_points": weights.zero_points,
        "bias": weights.bias,
        "multiplier": weights.multiplier,
    }
    inputs = [
        *operands,
        constant_tensor(f"{name}_weights", lowering.packer.pack(weights.matrices)),
        *(constant_tensor(f"{name}_{key}", pad_columns(values, groups)) for key, values in columns.items()),
    ]
    return lowering.program.add("MatMulInteger", name, inputs, result, {"group": groups, **bounds_of(target)})


def check_batch(source: Tensor, weights: Sequence[int]) -> None:
    """Refuse weights (..., K, N) whose batch axes are not the last batch axes of the activation."""
    batch = tuple(weights[:-2])
    fits = len(source.shape) >= len(weights) and tuple(source.shape[-len(weights) : -2]) == batch
    if batch and not fits:
        raise Unsupported("of operands with different batch axes")


def convolve(
    lowering: Lowering,
    node: ir.Node,
    operands: tuple[Tensor, Tensor],
    kernel: Sequence[int],
    weights: IntegerWeights,
    result: Tensor,
    target: Target | None = None,
) -> Tensor:
    """Convolution of a channels-last image by im2col (operator Patches) and one GEMM per group."""
    source, zero_point = operands
    check_image(source)
    name, (groups, k, n) = node.name or "", weights.matrices.shape
    attributes = {"group": groups, **height_width("kernel", kernel), **window(node, source.shape[1:-1], kernel)}
    rows = result.count // result.shape[0] // (groups * n)
    patches = new_tensor(f"{name}_patches", source.dtype, (source.shape[0], groups, rows, k))
    lowering.program.add("Patches", name, [source, zero_point], patches, attributes)
    if groups == 1:
        flat = view(result, result.name, (*patches.shape[:3], n))
        multiply(lowering, node, (patches, zero_point), weights, flat, target)
        return result
    product = new_tensor(f"{name}_product", result.dtype, (*patches.shape[:3], n), result.params)
    multiply(lowering, node, (patches, zero_point), weights, product, target)
    grouped = view(result, result.name, (patches.shape[0], rows, groups, n))
    lowering.program.add("Transpose", name, [product], grouped, {"perm": [0, 2, 1, 3]})
    return result


def conv_matrices(weights: NDArray[np.int8], group: int) -> NDArray[np.int8]:
    """Conv weights (output channels, channels, ...) as matrices (groups, K, N), channels last in K."""
    rows = np.moveaxis(weights, 1, -1).reshape(group, weights.shape[0] // group, -1)
    return rows.transpose(0, 2, 1)
