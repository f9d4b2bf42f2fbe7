"""What training reads of a quantized model, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.graph.plan import Plan
from octavo.graph.weights import Constants


class Quantization(Protocol):
    """A model with its quantization parameters and integers."""

    @property
    def model(self) -> ir.Model:
        """Prepared float model."""

    @property
    def reference(self) -> ir.Model:
        """Float model that defines the correct outputs."""

    @property
    def plan(self) -> Plan:
        """Layers and tensors that are quantized."""

    @property
    def activations(self) -> dict[str, QuantParams]:
        """Parameters of every tensor in the plan, by name."""

    @property
    def constants(self) -> Constants:
        """Integers of every constant of the plan's layers."""

    @property
    def quantized(self) -> ir.Model:
        """The resulting QDQ model."""


@dataclass(frozen=True)
class Learned:
    """Learned weights and quantization parameters.

    Attributes:
        model: float model with the learned weights and biases.
        activations: parameters by the name of the observed tensor.
        weights: quantized weights, by layer and input index, in the layout of the model's arrays.
    """

    model: ir.Model
    activations: dict[str, QuantParams]
    weights: Constants
