"""Attention: Q K^T, mask, softmax and the product with V as one operation, computed a few rows at a time."""

from __future__ import annotations

from octavo.compiler.bundle import DTYPES
from octavo.compiler.kinds import Value
from octavo.compiler.lower.batch_matmul import broadcast_strides
from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor


def merge_attention(program: Program) -> PassResult:
    """BatchMatMul to float, optionally Add, SoftmaxFloat to 8 bits, BatchMatMul to 8 bits."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "BatchMatMul" or operation.output.params is None:
            continue
        softmax = flow.source(operation.inputs[0], "SoftmaxFloat")
        parts = None if softmax is None else _scores(flow, softmax.inputs[0])
        if softmax is None or parts is None or not _is_along_rows(softmax, parts[0], operation):
            continue
        scores, add, mask = parts
        _write(operation, softmax, scores, mask)
        merged += [part for part in (softmax, scores, add) if part is not None]
    return without(program, merged)


def _scores(flow: Dataflow, tensor: Tensor) -> tuple[Operation, Operation | None, Tensor | None] | None:
    """The product Q K^T that a softmax reads, and, if there is one, the Add of a mask and the mask."""
    scores = flow.source(tensor, "BatchMatMul")
    if scores is not None:
        return scores, None, None
    add = flow.source(tensor, "BinaryFloat")
    if add is None or add.attributes != {"function": "Add"}:
        return None
    for product, mask in (add.inputs, add.inputs[::-1]):
        scores = flow.source(product, "BatchMatMul")
        if scores is not None and product.shape == add.output.shape and mask.shape[-1:] == product.shape[-1:]:
            return scores, add, mask
    return None


def _is_along_rows(softmax: Operation, scores: Operation, values: Operation) -> bool:
    """Whether the softmax is over the keys, and its result is read contiguously, matrix by matrix."""
    shape = scores.output.shape
    same = scores.integers("batch_size") == values.integers("batch_size")
    contiguous = values.integer("a_row_stride") == shape[-1] and values.inputs[0].shape == shape
    over_keys = (softmax.integer("length"), softmax.integer("inner")) == (shape[-1], 1)
    return same and contiguous and over_keys and softmax.output.params is not None


def _write(values: Operation, softmax: Operation, scores: Operation, mask: Tensor | None) -> None:
    """Turn the product with V into the attention."""
    weights = softmax.output
    assert weights.params is not None
    q, v, shape = scores.attributes, values.attributes, scores.output.shape
    mask_strides = [0] * len(shape)
    if mask is not None:
        # An axis of length 1 has stride 0: its broadcast stride would be quadratic in an open length.
        strides = broadcast_strides(mask.shape, shape)
        mask_strides = [0 if size == 1 else stride for size, stride in zip(shape, strides, strict=True)]
    attributes: dict[str, Value] = {
        **{name: v[name] for name in ("qmin", "qmax", "multiplier", "batch_size", "c_row_stride")},
        "score_multiplier": q["multiplier"],
        "softmax_scale": float(weights.params.scale),
        "softmax_zero_point": int(weights.params.zero_point),
        "softmax_qmin": softmax.attributes["qmin"],
        "softmax_qmax": softmax.attributes["qmax"],
        "softmax_dtype": DTYPES[weights.dtype],
        "queries": q["m"],
        "keys": q["n"],
        "head_size": q["k"],
        "value_size": v["n"],
        "q_row_stride": q["a_row_stride"],
        "k_key_stride": q["b_n_stride"],
        "k_depth_stride": q["b_k_stride"],
        "v_key_stride": v["b_k_stride"],
        "v_column_stride": v["b_n_stride"],
        "mask_row_stride": mask_strides[-2],
        "q_batch_stride": q["a_batch_stride"],
        "k_batch_stride": q["b_batch_stride"],
        "v_batch_stride": v["b_batch_stride"],
        "mask_batch_stride": mask_strides[:-2],
        "c_batch_stride": v["c_batch_stride"],
    }
    values.kind, values.attributes = "Attention", attributes
    values.inputs = [*scores.inputs, values.inputs[1], *([] if mask is None else [mask])]
