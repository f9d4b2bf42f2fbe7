"""Rewrite the mean over all spatial axes as GlobalAveragePool, for which targets have integer kernels."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant
from octavo.graph.operators import is_float32


class MeanToPoolingPass(ir.passes.InPlacePass):
    """Turn ReduceMean over all axes from the third on into GlobalAveragePool.

    In rank-3 tensors the mean over the last axis is usually part of a layer normalization, which engines
    recognize by its operators; it stays.
    """

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            value = node.inputs[0] if node.op_type == "ReduceMean" and not node.domain else None
            if value is None or not is_float32(value) or _rank(value) <= 3:
                continue
            if _axes(node) == list(range(2, _rank(value))):
                _replace(model.graph, node, value)
                modified = True
        return ir.passes.PassResult(model, modified)


def _rank(value: ir.Value) -> int:
    return 0 if value.shape is None else len(value.shape)


def _axes(node: ir.Node) -> list[int] | None:
    """The axes of the mean, ascending and non-negative; opset 18 moved them from an attribute to an input."""
    value = node.inputs[0]
    stated = node.attributes.get("axes")
    array = constant(node.inputs[1]) if len(node.inputs) > 1 else None
    axes = array.reshape(-1).tolist() if array is not None else list(stated.as_ints()) if stated is not None else None
    return None if axes is None or value is None else sorted(int(axis) % max(_rank(value), 1) for axis in axes)


def _replace(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    old, nodes = node.outputs[0], [ir.node("GlobalAveragePool", [value])]
    if not attribute(node, "keepdims", 1):
        nodes[0].outputs[0].name = f"{old.name}_pooled"
        nodes.append(ir.node("Flatten", [nodes[0].outputs[0]], {"axis": 1}))
    nodes[0].name, nodes[-1].name = f"{node.name}_pool", node.name
    ir.convenience.replace_nodes_and_values(graph, node, [node], nodes, [old], nodes[-1].outputs)
