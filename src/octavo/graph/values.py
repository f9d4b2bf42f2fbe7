"""Look up the tensors of a graph by name."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from octavo.errors import ModelError


def named_values(graph: ir.Graph, required: Iterable[str] = ()) -> dict[str, ir.Value]:
    """Graph inputs, initializers and node outputs by name, in this order; without those of subgraphs.

    Raises:
        ModelError: the graph has no tensor of a name in `required`.
    """
    values = {value.name or "": value for value in (*graph.inputs, *graph.initializers.values())}
    for node in graph:
        values.update({value.name or "": value for value in node.outputs})
    for name in required:
        if name not in values:
            raise ModelError(f"the model has no tensor '{name}'; octavo inspect lists its operators")
    return values
