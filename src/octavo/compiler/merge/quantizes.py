"""Quantize behind an operator that can write 8 bits itself."""

from __future__ import annotations

from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program


def merge_quantizes(program: Program) -> PassResult:
    """SoftmaxFloat and LayerNorm whose only reader is a Quantize."""
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind not in ("SoftmaxFloat", "LayerNorm"):
            continue
        quantize = flow.reader(operation.output, "Quantize")
        if quantize is not None:
            operation.output = quantize.output
            operation.attributes |= quantize.attributes
            merged.append(quantize)
    return without(program, merged)
