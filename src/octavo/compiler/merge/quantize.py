"""Quantization right behind what can write 8 bits by itself."""

from __future__ import annotations

from octavo.compiler.merge.flow import Flow
from octavo.compiler.program import Program


def merge_quantizations(program: Program) -> None:
    """Softmax and layer normalization whose floats are only quantized."""
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind not in ("SoftmaxFloat", "LayerNorm"):
            continue
        quantize = flow.reader(operation.output, "Quantize")
        if quantize is not None:
            operation.output = quantize.output
            operation.attributes[-2:] = quantize.attributes
            gone.add(id(quantize))
    program.operations[:] = [each for each in program.operations if id(each) not in gone]
