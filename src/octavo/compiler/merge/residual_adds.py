"""Residual adds in the epilogue of a GEMM."""

from __future__ import annotations

from octavo.compiler.merge.dataflow import Dataflow
from octavo.compiler.passes import PassResult, without
from octavo.compiler.program import Operation, Program, Tensor

_INPUTS_WITHOUT_RESIDUAL = 5
# With larger scales the sum may overflow float32, where the separate and the merged kernel round differently.
_MAX_SCALE = 1e30


def merge_residual_adds(program: Program) -> PassResult:
    """Merge an Add into the Conv or MatMul whose result only it reads.

    The arithmetic is the same: the result is first requantized to its own grid, then added and requantized again.
    """
    flow = Dataflow(program)
    merged: list[Operation] = []
    for operation in program.operations:
        if operation.kind != "Add" or operation.inputs[0].shape != operation.inputs[1].shape:
            continue
        for product, addend in (operation.inputs, operation.inputs[::-1]):
            gemm = flow.source(product, "Conv", "MatMul")
            if (
                gemm is not None
                and len(gemm.inputs) == _INPUTS_WITHOUT_RESIDUAL
                and max(map(_scale, (product, addend))) < _MAX_SCALE
            ):
                _merge(operation, gemm, product, addend)
                merged.append(gemm)
                break
    return without(program, merged)


def _scale(tensor: Tensor) -> float:
    assert tensor.params is not None  # every 8-bit tensor has parameters
    return float(tensor.params.scale)


def _merge(total: Operation, gemm: Operation, product: Tensor, addend: Tensor) -> None:
    """The Add becomes the GEMM, at its place in the order, where the inputs of both are available."""
    assert product.params is not None
    total.attributes = {
        **gemm.attributes,
        **total.attributes,
        "product_scale": _scale(product),
        "product_zero_point": int(product.params.zero_point),
        "product_qmin": gemm.attributes["qmin"],
        "product_qmax": gemm.attributes["qmax"],
    }
    total.kind, total.name = gemm.kind, gemm.name
    total.inputs = [*gemm.inputs, addend]
