"""The arithmetic and the memory traffic of one run of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """Multiply-accumulates and bytes moved in one run.

    Attributes:
        int8_macs: multiply-accumulates of two 8-bit integers.
        float_macs: multiply-accumulates of two float32.
        weight_bytes: of all constants, each read once.
        activation_bytes: of tensors between operators, written once and read once, and of inputs and outputs.
    """

    int8_macs: float
    float_macs: float
    weight_bytes: float
    activation_bytes: float
