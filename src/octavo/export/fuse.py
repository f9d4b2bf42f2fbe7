"""Sums that a product can add while it writes its result."""

from __future__ import annotations

from collections import Counter

from octavo.affine import QuantParams
from octavo.export.program import Operation, Place, Program, Tensor, float_bits

_PRODUCTS = ("Conv", "MatMul")


def fuse_sums(program: Program) -> None:
    """Let Conv and MatMul take over the Add that alone reads their result.

    The sum is computed as before: the product's result on its own grid, the addend on its, the sum on a third.
    """
    readers = Counter(id(tensor.buffer) for operation in program.operations for tensor in operation.inputs)
    makers = {id(operation.output.buffer): operation for operation in program.operations}
    gone: set[int] = set()
    for operation in program.operations:
        if operation.kind != "Add" or operation.inputs[0].shape != operation.inputs[1].shape:
            continue
        for product, addend in (operation.inputs, operation.inputs[::-1]):
            maker = makers.get(id(product.buffer))
            if maker is not None and readers[id(product.buffer)] == 1 and _fits(maker, product):
                _take_over(operation, maker, product, addend)
                gone.add(id(maker))
                break
    program.operations[:] = [each for each in program.operations if id(each) not in gone]


def _fits(maker: Operation, product: Tensor) -> bool:
    alone = maker.kind in _PRODUCTS and len(maker.inputs) == 5
    return alone and product.params is not None and product.buffer.place is Place.ARENA


def _take_over(total: Operation, maker: Operation, product: Tensor, addend: Tensor) -> None:
    """The Add, where it stands, becomes the product: all that either reads is there by then."""
    params = product.params
    assert isinstance(params, QuantParams)
    *own, low, high = maker.attributes
    own_grid = [float_bits(float(params.scale)), int(params.zero_point), low, high]
    total.attributes = [*own, *total.attributes, *own_grid]
    total.kind, total.name = maker.kind, maker.name
    total.inputs = [*maker.inputs, addend]
