"""The bias and the skip connection in front of a layer normalization."""

from __future__ import annotations

from octavo.compiler.kinds import BINARY
from octavo.compiler.merge.flow import Flow
from octavo.compiler.merge.functions import row_of
from octavo.compiler.program import Operation, Program, Tensor

_BIAS, _SKIP = 2, 3


def merge_addends(program: Program) -> None:
    """Add them while the rows are normalized, in the order in which they were added before."""
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "LayerNorm" or operation.attributes[_SKIP]:
            continue
        skip = flow.source(operation.inputs[0], "BinaryFloat")
        if skip is not None and _adds(skip) and all(t.shape == skip.output.shape for t in skip.inputs):
            # The sum is the same whichever comes first, so the one that has a bias does.
            biased = next((i for i, t in enumerate(skip.inputs) if _bias(flow, t) is not None), 0)
            operation.inputs[0] = skip.inputs[biased]
            operation.inputs.append(skip.inputs[1 - biased])
            operation.attributes[_SKIP] = 1
            gone.add(id(skip))
        add = _bias(flow, operation.inputs[0])
        if add is not None:
            operation.inputs[0] = add.inputs[0]
            operation.inputs.insert(len(operation.inputs) - operation.attributes[_SKIP], add.inputs[1])
            operation.attributes[_BIAS] = 1
            gone.add(id(add))
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _bias(flow: Flow, tensor: Tensor) -> Operation | None:
    add = flow.source(tensor, "BinaryFloat")
    return add if add is not None and row_of(add) is not None else None


def _adds(operation: Operation) -> bool:
    return operation.attributes == [BINARY["Add"]]
