"""Sums that a product can add while it writes its result."""

from __future__ import annotations

from octavo.compiler.merge.flow import Flow
from octavo.compiler.program import Operation, Program, Tensor, float_bits

_INPUTS = 5
# A sum of numbers on coarser grids may leave float32, where the two ways to round it part.
_COARSEST = 1e30


def merge_sums(program: Program) -> None:
    """Let Conv and MatMul take over the Add that alone reads their result.

    The sum is computed as before: the product's result on its own grid, the addend on its, the sum on a third.
    """
    flow = Flow(program)
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "Add" or operation.inputs[0].shape != operation.inputs[1].shape:
            continue
        for product, addend in (operation.inputs, operation.inputs[::-1]):
            maker = flow.source(product, "Conv", "MatMul")
            if maker is not None and len(maker.inputs) == _INPUTS and max(map(_scale, (product, addend))) < _COARSEST:
                _take_over(operation, maker, product, addend)
                gone.add(id(maker))
                break
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _scale(tensor: Tensor) -> float:
    assert tensor.params is not None  # integers of 8 bits have them
    return float(tensor.params.scale)


def _take_over(total: Operation, maker: Operation, product: Tensor, addend: Tensor) -> None:
    """The Add, where it stands, becomes the product: all that either reads is there by then."""
    assert product.params is not None
    *own, low, high = maker.attributes
    own_grid = [float_bits(_scale(product)), int(product.params.zero_point), low, high]
    total.attributes = [*own, *total.attributes, *own_grid]
    total.kind, total.name = maker.kind, maker.name
    total.inputs = [*maker.inputs, addend]
