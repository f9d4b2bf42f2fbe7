"""Adds of a bias and a residual in front of a layer normalization."""

from __future__ import annotations

from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.merge.matmul_functions import constant_row
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor


def merge_layer_norm_adds(program: Program) -> PassResult:
    """Let LayerNorm add them, in the same order."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "LayerNorm" or operation.attributes["has_skip"]:
            continue
        skip = flow.source(operation.inputs[0], "BinaryFloat")
        if skip is not None and _adds(skip) and all(t.shape == skip.output.shape for t in skip.inputs):
            # Addition is commutative, so the operand with a bias comes first.
            biased = next((i for i, t in enumerate(skip.inputs) if _bias(flow, t) is not None), 0)
            operation.inputs[0] = skip.inputs[biased]
            operation.inputs.append(skip.inputs[1 - biased])
            operation.attributes["has_skip"] = True
            merged.append(skip)
        add = _bias(flow, operation.inputs[0])
        if add is not None:
            operation.inputs[0] = add.inputs[0]
            behind = 1 if operation.attributes["has_skip"] else 0
            operation.inputs.insert(len(operation.inputs) - behind, add.inputs[1])
            operation.attributes["has_bias"] = True
            merged.append(add)
    return without(program, merged)


def _bias(flow: Dataflow, tensor: Tensor) -> Operation | None:
    add = flow.source(tensor, "BinaryFloat")
    return add if add is not None and constant_row(add) is not None else None


def _adds(operation: Operation) -> bool:
    return operation.attributes == {"function": "Add"}
