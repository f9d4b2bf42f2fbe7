"""What ONNX operators mean for quantization: which inputs carry data or weights, and what forbids an integer form."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.attributes import attribute, text
from octavo.graph.constants import constant
from octavo.graph.linear import LINEAR_OPS, bias_input, is_linear, output_axis

# Elementwise operators and Concat take all their inputs from the activations.
_ALL_INPUTS = {"Add", "Mul", "Concat"}

# Carried operators that write less than they read.
SHRINKING = frozenset({"AveragePool", "GlobalAveragePool", "Resize"})


def data_inputs(node: ir.Node) -> list[int]:
    """Indices of the inputs that hold real numbers to quantize (activations or weights)."""
    if node.op_type in _ALL_INPUTS:
        return list(range(len(node.inputs)))
    return [0, 1] if node.op_type in LINEAR_OPS else [0]


def channel_axis(node: ir.Node, index: int, rank: int) -> int | None:
    """The axis of the constant at input `index` that can have a scale for each of its indices; None if none can."""
    if is_linear(node):
        return output_axis(node, index, rank)
    return 1 if node.op_type == "Gather" and rank == 2 and attribute(node, "axis", 0) == 0 else None


def input_channels(node: ir.Node) -> int | None:
    """The number of input channels of a Conv with one group; None for other nodes."""
    weight = node.inputs[1] if node.op_type == "Conv" else None
    if weight is None or weight.shape is None or attribute(node, "group", 1) != 1:
        return None
    channels = weight.shape[1]
    return channels if isinstance(channels, int) else None


def is_depthwise(node: ir.Node) -> bool:
    """Whether the node is a Conv in which each output channel reads one input channel only."""
    weight = node.inputs[1] if node.op_type == "Conv" else None
    return weight is not None and weight.shape is not None and weight.shape[1] == 1 and attribute(node, "group", 1) > 1


def in_front_of_softmax(value: ir.Value) -> ir.Value:
    """The input of the Softmax that writes the value, else the value itself; a saturated Softmax hides its input."""
    producer = value.producer()
    logits = producer.inputs[0] if producer is not None and producer.op_type == "Softmax" else None
    return value if logits is None else logits


def weight_size(value: ir.Value | None) -> int:
    """The number of elements of a constant; 0 if the value is not stored."""
    return 0 if value is None or value.const_value is None else value.const_value.size


def is_float32(value: ir.Value | None) -> bool:
    """Whether the tensor is known to hold float32."""
    return value is not None and value.dtype == ir.DataType.FLOAT


def is_constant(value: ir.Value | None) -> bool:
    """Whether the value is stored in the model, rather than computed or an input."""
    return value is not None and value.is_initializer() and not value.is_graph_input()


def has_subgraph(node: ir.Node) -> bool:
    """Whether the node contains subgraphs (If, Loop, Scan)."""
    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(a.type in graphs for a in node.attributes.values())


def obstacle(node: ir.Node) -> str | None:
    """Why this particular node has no integer form although its operator type has one, or None."""
    if node.domain not in ("", "ai.onnx"):
        return f"operator of the domain '{node.domain}', which Octavo does not know"
    inputs = [node.inputs[i] for i in data_inputs(node)]
    if any(value is None for value in inputs):
        return "a data input is missing"
    # An embedding looks up rows of a constant; any other operator of constants has no activation to calibrate.
    if node.op_type != "Gather" and all(is_constant(value) for value in inputs):
        return "all its inputs are constants"
    unknown = [value for value in inputs if value is not None and value.dtype is None]
    if unknown:
        return f"the element type of '{unknown[0].name}' is not known"
    if not all(is_float32(value) for value in inputs):
        return "its data are not float32"
    return _obstacle_of_type(node)


def _obstacle_of_type(node: ir.Node) -> str | None:
    match node.op_type:
        case "Gemm":
            if attribute(node, "alpha", 1.0) != 1.0 or attribute(node, "transA", 0):
                return "Gemm with alpha other than 1 or a transposed first input"
            if bias_input(node) is not None and attribute(node, "beta", 1.0) != 1.0:
                return "Gemm with beta other than 1"
        case "Conv" | "ConvTranspose":
            if not is_constant(node.inputs[1]):
                return "its weights are computed while the model runs"
        case "Pad":
            return _obstacle_of_pad(node)
        case "MaxPool":
            if any(output.name for output in node.outputs[1:]):
                return "its second output gives the indices of the maxima, not real numbers"
        case "Resize":
            if text(node, "mode", "nearest") == "cubic":
                return "cubic Resize overshoots the range of its input"
    return None


def _obstacle_of_pad(node: ir.Node) -> str | None:
    fill = node.inputs[2] if len(node.inputs) > 2 else None
    if text(node, "mode", "constant") != "constant" or fill is None:
        return None
    array = constant(fill)
    if array is None or float(array.reshape(-1)[0]) != 0.0:
        return "it pads with a value other than zero"
    return None
