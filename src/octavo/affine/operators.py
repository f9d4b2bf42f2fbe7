"""Integer reference operators in NumPy: what every kernel and exporter is tested against.

Sums of products are exact (int64, then checked to fit int32) and go to the output's grid as in
`requantize`. Elementwise operators and concat dequantize their inputs to float32 and quantize the result.
Convolutions are in `convolution`, pools in `pooling`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from octavo.affine.integer import Integers, centred, requantized, to_int32
from octavo.affine.mapping import dequantize, quantize
from octavo.affine.params import QuantParams
from octavo.errors import OptionError


def matmul_integer(a: Integers, a_params: QuantParams, b: Integers, b_params: QuantParams) -> NDArray[np.int32]:
    """(a - Za) @ (b - Zb) as int32 (ONNX MatMulInteger); shapes as for `matmul`.

    Raises:
        OverflowError: a sum does not fit int32.
    """
    return to_int32(np.asarray(centred(a, a_params) @ centred(b, b_params)))


def matmul(
    a: Integers,
    a_params: QuantParams,
    b: Integers,
    b_params: QuantParams,
    out_params: QuantParams,
    bias: NDArray[np.int32] | None = None,
) -> Integers:
    """requantize((a - Za) @ (b - Zb) + bias, M = Sa Sb / Sy) (ONNX QLinearMatMul).

    Args:
        a: integers of shape (..., M, K); per tensor.
        a_params: parameters of `a`.
        b: integers of shape (..., K, N).
        b_params: parameters of `b`, per tensor or per channel along its last axis.
        out_params: parameters of the result.
        bias: int32 at Sa * Sb, shape (N,) or one that broadcasts to the result.

    Returns:
        Integers of `out_params.grid`, shape (..., M, N).

    Raises:
        OverflowError: a sum does not fit int32.
    """
    accumulator = np.asarray(centred(a, a_params) @ centred(b, b_params))
    return requantized(accumulator, bias, a_params, (b, b_params, b.ndim - 1), out_params, -1)


def gemm(
    a: Integers,
    a_params: QuantParams,
    b: Integers,
    b_params: QuantParams,
    out_params: QuantParams,
    bias: NDArray[np.int32] | None = None,
    *,
    trans_a: bool = False,
    trans_b: bool = False,
) -> Integers:
    """`matmul` of two matrices, each transposed first if requested (ONNX Gemm with alpha = beta = 1).

    Args:
        a: integers of shape (M, K), or (K, M) with `trans_a`; per tensor.
        a_params: parameters of `a`.
        b: integers of shape (K, N), or (N, K) with `trans_b`.
        b_params: parameters of `b`, per tensor or per channel along its axis of length N.
        out_params: parameters of the result.
        bias: int32 at Sa * Sb, which broadcasts to (M, N).
        trans_a: transpose `a`.
        trans_b: transpose `b`.

    Returns:
        Integers of `out_params.grid`, shape (M, N).
    """
    left, right = centred(a, a_params), centred(b, b_params)
    accumulator = np.asarray((left.T if trans_a else left) @ (right.T if trans_b else right))
    weight = (b, b_params, 0 if trans_b else 1)
    return requantized(accumulator, bias, a_params, weight, out_params, -1)


def add(a: Integers, a_params: QuantParams, b: Integers, b_params: QuantParams, out_params: QuantParams) -> Integers:
    """quantize(dequantize(a) + dequantize(b)), the sum in float32; shapes broadcast."""
    return quantize(dequantize(a, a_params) + dequantize(b, b_params), out_params)


def mul(a: Integers, a_params: QuantParams, b: Integers, b_params: QuantParams, out_params: QuantParams) -> Integers:
    """quantize(dequantize(a) * dequantize(b)), the product in float32; shapes broadcast."""
    return quantize(dequantize(a, a_params) * dequantize(b, b_params), out_params)


def concat(
    arrays: Sequence[Integers], params: Sequence[QuantParams], out_params: QuantParams, *, axis: int
) -> Integers:
    """quantize(dequantize(array)) of every array, concatenated along `axis`; equal parameters change nothing.

    Raises:
        OptionError: there are no arrays, or not one set of parameters for each.
    """
    if not arrays or len(arrays) != len(params):
        raise OptionError(f"{len(arrays)} arrays and {len(params)} parameters; give one for each, at least one")
    moved = [quantize(dequantize(q, p), out_params) for q, p in zip(arrays, params, strict=True)]
    return np.concatenate(moved, axis=axis)
