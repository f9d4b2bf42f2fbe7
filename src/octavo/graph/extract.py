"""Extract part of a graph as a separate model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir


def extract(
    model: ir.Model, nodes: Sequence[ir.Node], inputs: Mapping[str, ir.DataType], outputs: Sequence[str]
) -> ir.Model:
    """A model of some consecutive nodes, with copies of the constants they read.

    Args:
        model: the model that contains the nodes; it is not modified.
        nodes: in graph order.
        inputs: names and element types of the inputs; their shapes are left open.
        outputs: names of the outputs.
    """
    values = {name: ir.Value(name=name, type=ir.TensorType(dtype)) for name, dtype in inputs.items()}
    constants: dict[str, ir.Value] = {}

    def copied(value: ir.Value | None) -> ir.Value | None:
        if value is None or value.name is None:
            return None
        if value.name not in values and value.const_value is not None:
            constant = ir.Value(name=value.name, shape=value.shape, type=value.type, const_value=value.const_value)
            values[value.name] = constants[value.name] = constant
        return values[value.name]

    copies: list[ir.Node] = []
    for node in nodes:
        results = [ir.Value(name=value.name, shape=value.shape, type=value.type) for value in node.outputs]
        copies.append(
            ir.Node(node.domain, node.op_type, [copied(value) for value in node.inputs], node.attributes.values(),
                    outputs=results, name=node.name)
        )  # fmt: skip
        values.update({value.name: value for value in results if value.name})
    opsets = dict(model.opset_imports)
    graph = ir.Graph(
        [values[name] for name in inputs],
        [values[name] for name in outputs],
        nodes=copies,
        initializers=list(constants.values()),
        opset_imports=opsets,
        name="part",
    )
    return ir.Model(graph, ir_version=model.ir_version, functions=list(model.functions.values()))
