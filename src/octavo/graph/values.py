"""The tensors of a graph by their names."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from octavo.errors import ModelError


def named_values(graph: ir.Graph, wanted: Iterable[str] = ()) -> dict[str, ir.Value]:
    """Inputs, stored tensors and what nodes make, in this order; those in subgraphs are not among them.

    Raises:
        ModelError: one of the `wanted` is missing.
    """
    values = {value.name or "": value for value in (*graph.inputs, *graph.initializers.values())}
    for node in graph:
        values.update({value.name or "": value for value in node.outputs})
    for name in wanted:
        if name not in values:
            raise ModelError(f"the model has no tensor '{name}'; octavo inspect lists its operators")
    return values
