"""Attention: Q K^T, mask, softmax and the product with V as one operation, computed a few rows at a time."""

from __future__ import annotations

from octavo.compiler.bundle import DTYPES
from octavo.compiler.kinds import BINARY
from octavo.compiler.lower.batch_matmul import (
    A_ROW,
    AXES,
    AXIS,
    B_COLUMN,
    B_K,
    C_ROW,
    HIGH,
    LOW,
    MULTIPLIER,
    K,
    M,
    N,
    broadcast_strides,
)
from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor, float_bits


def merge_attention(program: Program) -> PassResult:
    """BatchMatMul to float, optionally Add, SoftmaxFloat to 8 bits, BatchMatMul to 8 bits."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "BatchMatMul" or operation.output.params is None:
            continue
        softmax = flow.source(operation.inputs[0], "SoftmaxFloat")
        found = None if softmax is None else _scores(flow, softmax.inputs[0])
        if softmax is None or found is None or not _is_along_rows(softmax, found[0], operation):
            continue
        scores, add, mask = found
        _write(operation, softmax, scores, mask)
        merged += [part for part in (softmax, scores, add) if part is not None]
    return without(program, merged)


def _scores(flow: Dataflow, tensor: Tensor) -> tuple[Operation, Operation | None, Tensor | None] | None:
    """The product Q K^T that a softmax reads, and, if there is one, the Add of a mask and the mask."""
    scores = flow.source(tensor, "BatchMatMul")
    if scores is not None:
        return scores, None, None
    add = flow.source(tensor, "BinaryFloat")
    if add is None or add.attributes != [BINARY["Add"]]:
        return None
    for product, mask in (add.inputs, add.inputs[::-1]):
        scores = flow.source(product, "BatchMatMul")
        if scores is not None and product.shape == add.output.shape and mask.shape[-1:] == product.shape[-1:]:
            return scores, add, mask
    return None


def _is_along_rows(softmax: Operation, scores: Operation, values: Operation) -> bool:
    """Whether the softmax is over the keys, and its result is read contiguously, matrix by matrix."""
    shape = scores.output.shape
    same = [scores.attributes[i] for i in _sizes(scores)] == [values.attributes[i] for i in _sizes(values)]
    contiguous = values.attributes[A_ROW] == shape[-1] and values.inputs[0].shape == shape
    return same and contiguous and softmax.attributes[1:3] == [shape[-1], 1] and softmax.output.params is not None


def _sizes(operation: Operation) -> range:
    return range(AXES, len(operation.attributes), AXIS)


def _write(operation: Operation, softmax: Operation, scores: Operation, mask: Tensor | None) -> None:
    shares = softmax.output
    assert shares.params is not None
    q, v, shape = scores.attributes, operation.attributes, scores.output.shape
    mask_steps = [0] * len(shape)
    if mask is not None:
        # Along an axis of length 1 there is no step; the mask's would grow with the square of an open length.
        given = broadcast_strides(mask.shape, shape)
        mask_steps = [0 if size == 1 else step for size, step in zip(shape, given, strict=True)]
    attributes = [
        *(v[LOW], v[HIGH], v[MULTIPLIER], q[MULTIPLIER]),
        *(
            float_bits(float(shares.params.scale)),
            int(shares.params.zero_point),
            *softmax.attributes[-2:],
            DTYPES[shares.dtype],
        ),
        *(q[M], q[N], q[K], v[N]),
        *(q[A_ROW], q[B_COLUMN], q[B_K], v[B_K], v[B_COLUMN], mask_steps[-2], v[C_ROW]),
    ]
    for axis, at in enumerate(_sizes(operation)):
        attributes += [v[at], q[at + 1], q[at + 2], v[at + 2], mask_steps[axis], v[at + 3]]
    operation.kind, operation.attributes = "Attention", attributes
    operation.inputs = [*scores.inputs, operation.inputs[1], *([] if mask is None else [mask])]
