"""Prove from a layer's integer weights that its int32 accumulator cannot overflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import onnx_ir as ir

from octavo.affine import QuantParams, accumulator_bound
from octavo.graph.linear import LINEAR_OPS, summed_axes
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.weights import Constants

LIMIT = 2**31 - 1


@dataclass(frozen=True)
class OverflowProof:
    """An upper bound on the magnitude of a layer's accumulator.

    Attributes:
        layer: name of the node.
        op: its operator type.
        bound: max over output channels of sum|w - Zw| * max|x - Zx| + |bias|, for all inputs on the grid. It is
            reached if a channel's weights and bias all have the sign of the longer side of the input's grid.
        terms: for a product of two activations whose summed length is dynamic, the number of terms that fit
            int32; `bound` is then that of one term. None otherwise.
    """

    layer: str
    op: str
    bound: int
    terms: int | None = None

    @property
    def holds(self) -> bool:
        """Whether no input can overflow the int32 accumulator."""
        return self.bound <= LIMIT


def prove(
    model: ir.Model, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants
) -> list[OverflowProof]:
    """One proof for each layer of the plan that accumulates products of 8-bit integers in int32."""
    nodes = {node.name or "": node for node in model.graph}
    products = [layer for layer in plan.layers.values() if layer.op in LINEAR_OPS]
    layers = [layer for layer in products if layer.inputs and not plan.reads_wide(layer)]
    return [_prove(nodes[layer.name], layer, activations, constants) for layer in layers]


def _prove(
    node: ir.Node, layer: LayerPlan, activations: Mapping[str, QuantParams], constants: Constants
) -> OverflowProof:
    if not layer.weights:
        return _prove_product_of_activations(node, layer, activations)
    index = layer.weights[0].index
    weight = constants[layer.name, index].as_in_model()
    bias = constants.get((layer.name, layer.bias)) if layer.bias is not None else None
    summed = summed_axes(node, index, weight.integers.ndim)
    reader = activations[next(iter(layer.inputs.values()))]
    bound = accumulator_bound(
        weight.integers, weight.params, reader, None if bias is None else bias.integers, contraction=summed
    )
    return OverflowProof(layer.name, layer.op, bound)


def _prove_product_of_activations(
    node: ir.Node, layer: LayerPlan, activations: Mapping[str, QuantParams]
) -> OverflowProof:
    term = 1
    for name in layer.inputs.values():
        params = activations[name]
        zero_point = int(params.zero_point)
        term *= max(params.grid.qmax - zero_point, zero_point - params.grid.qmin)
    first = node.inputs[0]
    length = first.shape[-1] if first is not None and first.shape is not None and len(first.shape) else None
    if isinstance(length, int):
        return OverflowProof(layer.name, layer.op, term * length)
    return OverflowProof(layer.name, layer.op, term, terms=LIMIT // term)
