"""A piece of a graph as a model of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx_ir as ir


def extract(
    model: ir.Model, nodes: Sequence[ir.Node], inputs: Mapping[str, ir.DataType], outputs: Sequence[str]
) -> ir.Model:
    """A model of some consecutive nodes; constants come along, other models keep theirs.

    Args:
        model: where the nodes are from; it is not changed.
        nodes: in graph order.
        inputs: the tensors that are handed in, with their element types; any shape is taken.
        outputs: the tensors to give back.
    """
    values = {name: ir.Value(name=name, type=ir.TensorType(dtype)) for name, dtype in inputs.items()}
    constants: dict[str, ir.Value] = {}

    def known(value: ir.Value | None) -> ir.Value | None:
        if value is None or value.name is None:
            return None
        if value.name not in values and value.const_value is not None:
            constant = ir.Value(name=value.name, shape=value.shape, type=value.type, const_value=value.const_value)
            values[value.name] = constants[value.name] = constant
        return values[value.name]

    copies: list[ir.Node] = []
    for node in nodes:
        results = [ir.Value(name=each.name, shape=each.shape, type=each.type) for each in node.outputs]
        copies.append(
            ir.Node(node.domain, node.op_type, [known(each) for each in node.inputs], node.attributes.values(),
                    outputs=results, name=node.name)
        )  # fmt: skip
        values.update({each.name: each for each in results if each.name})
    given = [values[name] for name in inputs]
    wanted = [values[name] for name in outputs]
    opsets = dict(model.opset_imports)
    graph = ir.Graph(
        given, wanted, nodes=copies, initializers=list(constants.values()), opset_imports=opsets, name="part"
    )
    return ir.Model(graph, ir_version=model.ir_version, functions=list(model.functions.values()))
