"""Compute what depends on constants only."""

from __future__ import annotations

import logging

import onnx_ir as ir

from octavo.graph.constants import constant

# Larger results (an Expand of a constant, say) stay computed: a file must not grow for them.
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


def fold_constants(model: ir.Model) -> None:
    """Replace nodes whose inputs are all constants by their results, where there are any."""
    if not any(_is_foldable(node) for node in model.graph):
        return
    # onnxscript takes half a second to import, and many models have nothing to fold.
    from onnxscript import optimizer

    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    optimizer.fold_constants(
        model, input_size_limit=_LARGEST_RESULT, output_size_limit=_LARGEST_RESULT, should_fold=_is_allowed
    )


def _is_foldable(node: ir.Node) -> bool:
    inputs = [value for value in node.inputs if value is not None]
    return (
        bool(inputs)
        and node.op_type not in _NEVER | _RANDOM
        and all(value.is_initializer() and not value.is_graph_input() for value in inputs)
    )


def _is_allowed(node: ir.Node) -> bool | None:
    """Yes, no, or whatever the folder's own rules say."""
    if node.op_type in _NEVER | _RANDOM:
        return False
    shape = constant(node.inputs[0]) if node.op_type == "ConstantOfShape" else None
    return True if shape is not None and shape.prod() <= _SMALL_FILL else None
