"""What one run of a model has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Work:
    """Multiply-accumulates, and the bytes that are moved.

    Attributes:
        int8_macs: multiply-accumulates of two integers of 8 bits.
        float_macs: of two float32.
        weight_bytes: of all constants, each read once.
        activation_bytes: of tensors between operators, written once and read once, and of inputs and outputs.
    """

    int8_macs: float
    float_macs: float
    weight_bytes: float
    activation_bytes: float


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
