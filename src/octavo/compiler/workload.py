"""The workload of a bundle."""

from __future__ import annotations

import numpy as np

from octavo.compiler.bundle import Bundle, StoredOperator
from octavo.compiler.program import Place
from octavo.graph.workload import Workload

_CONSTANT_PRODUCTS = {"Conv", "ConvFloat", "DepthwiseConv", "MatMul"}


def bundle_workload(bundle: Bundle) -> Workload:
    """The workload of a bundle at the sizes it was compiled for.

    What a product of constant weights sums over is read from the weights as they are packed, with their padding.
    """
    integers = floats = 0.0
    for operator in bundle.operators:
        if _of_integers(bundle, operator):
            integers += _macs(bundle, operator)
        else:
            floats += _macs(bundle, operator)
    results = [bundle.tensors[operator.output] for operator in bundle.operators]
    inner = sum(2 * tensor.size for tensor in results if tensor.place is Place.ARENA)
    ends = sum(bundle.tensors[number].size for number in (*bundle.inputs, *bundle.outputs))
    return Workload(integers, floats, bundle.payload_bytes, inner + ends)


def _of_integers(bundle: Bundle, operator: StoredOperator) -> bool:
    return bundle.tensors[operator.inputs[0]].dtype.itemsize == 1


def _macs(bundle: Bundle, operator: StoredOperator) -> float:
    out = float(np.prod(bundle.tensors[operator.output].shape))
    if operator.kind in _CONSTANT_PRODUCTS:
        weights, columns = (bundle.tensors[number].shape for number in operator.inputs[1:3])
        return out * float(np.prod(weights) / np.prod(columns))
    if operator.kind == "MatMulFloat":
        return out * bundle.tensors[operator.inputs[0]].shape[-1]
    return 0.0
