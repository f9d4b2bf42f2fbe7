"""How much there is to multiply."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def macs(node: ir.Node, shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Multiply-accumulates of one of `PRODUCTS`.

    Args:
        node: the operator.
        shapes: at least of its output and its first two inputs, by name.
    """
    first, second = (shapes[value.name or ""] for value in node.inputs[:2] if value is not None)
    out = shapes[node.outputs[0].name or ""]
    if node.op_type == "Conv":
        return float(np.prod(out) * np.prod(second[1:]))
    if node.op_type == "ConvTranspose":
        return float(np.prod(first) * np.prod(second[1:]))
    return float(np.prod(out) * first[-1])
