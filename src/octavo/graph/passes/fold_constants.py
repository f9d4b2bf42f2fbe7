"""Compute nodes that depend on constants only."""

from __future__ import annotations

import logging

import onnx_ir as ir

from octavo.graph.constants import constant

# Larger results (for example an Expand of a constant) are not folded, to keep the file from growing.
_LARGEST_RESULT = 1 << 28
_SMALL_FILL = 1 << 10
_NEVER = {"Constant", "QuantizeLinear", "DequantizeLinear"}
_RANDOM = {
    "RandomNormal",
    "RandomUniform",
    "RandomNormalLike",
    "RandomUniformLike",
    "Multinomial",
    "Bernoulli",
}


class FoldConstantsPass(ir.passes.InPlacePass):
    """Replace nodes whose inputs are all constants by their results.

    Args:
        share: keep a Transpose of a constant that other nodes read too, so that the constant is stored once.
    """

    def __init__(self, share: bool = False) -> None:
        super().__init__()
        self._share = share

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        if not any(_is_foldable(node) for node in model.graph):
            return ir.passes.PassResult(model, False)
        # onnxscript takes half a second to import, and many models have nothing to fold.
        from onnxscript import optimizer

        logging.getLogger("onnxscript").setLevel(logging.ERROR)

        def should_fold(node: ir.Node) -> bool | None:
            return False if self._share and _is_shared(node) else _should_fold(node)

        result = optimizer.fold_constants(
            model, input_size_limit=_LARGEST_RESULT, output_size_limit=_LARGEST_RESULT, should_fold=should_fold
        )
        return ir.passes.PassResult(model, result.modified)


def _is_foldable(node: ir.Node) -> bool:
    inputs = [value for value in node.inputs if value is not None]
    return (
        bool(inputs)
        and node.op_type not in _NEVER | _RANDOM
        and all(value.is_initializer() and not value.is_graph_input() for value in inputs)
    )


def _is_shared(node: ir.Node) -> bool:
    """Whether the node is a Transpose of a constant that other nodes read too."""
    value = node.inputs[0] if node.op_type == "Transpose" and not node.domain else None
    return value is not None and value.is_initializer() and len(value.uses()) > 1


def _should_fold(node: ir.Node) -> bool | None:
    """Whether to fold the node; None leaves the decision to onnxscript's own rules."""
    if node.op_type in _NEVER | _RANDOM:
        return False
    shape = constant(node.inputs[0]) if node.op_type == "ConstantOfShape" else None
    return True if shape is not None and shape.prod() <= _SMALL_FILL else None
