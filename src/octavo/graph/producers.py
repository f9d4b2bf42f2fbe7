"""Which operator writes each output of a model, where that tells what the output is."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant

SOFTMAX = frozenset({"Softmax", "LogSoftmax"})
SIGMOID = frozenset({"Sigmoid", "HardSigmoid"})
NORMALIZATION = frozenset({"LpNormalization"})

# Operators that only rearrange what the operator before them wrote.
_MOVERS = frozenset(
    {
        "Cast", "DequantizeLinear", "Flatten", "Identity", "QuantizeLinear", "Reshape", "Squeeze", "Transpose",
        "Unsqueeze",
    }
)  # fmt: skip
# Between a vector and its length, where it is divided by that.
_LENGTH = frozenset({"Clip", "Expand", "Max", "ReduceL2", "Sqrt", "ReduceSum", "Add"})


def output_producers(model: ir.Model) -> dict[str, str]:
    """The type of the operator that writes each output, looking through those that only rearrange values.

    A division of a vector by its own length counts as LpNormalization. Graph inputs and constants have none.
    """
    found = {}
    for output in model.graph.outputs:
        node = _writer(output)
        if node is not None:
            found[output.name or ""] = "LpNormalization" if _normalizes(node) else node.op_type
    return found


def _writer(value: ir.Value | None) -> ir.Node | None:
    node = None if value is None else value.producer()
    while node is not None and node.op_type in _MOVERS and node.inputs[0] is not None:
        node = node.inputs[0].producer()
    return node


def _normalizes(node: ir.Node) -> bool:
    """Whether a node divides a tensor by its Euclidean length."""
    if node.op_type != "Div" or len(node.inputs) < 2:
        return False
    vector, length = node.inputs
    while length is not None and length is not vector:
        writer = length.producer()
        if writer is None or writer.op_type not in _LENGTH:
            return False
        if writer.op_type == "ReduceL2":
            return writer.inputs[0] is vector
        if writer.op_type == "ReduceSum":
            return _squares(writer.inputs[0], vector)
        length = next((each for each in writer.inputs if each is not None and constant(each) is None), None)
    return False


def _squares(value: ir.Value | None, vector: ir.Value | None) -> bool:
    writer = None if value is None else value.producer()
    return writer is not None and writer.op_type in ("Mul", "Pow") and writer.inputs[0] is vector
