"""What ONNX's operators mean to quantization: which inputs carry data, weights and bias, on which axis."""

from __future__ import annotations

import onnx_ir as ir

from octavo.graph.constants import constant

# Data inputs of operators that take more than their first input from the activations.
_ALL_INPUTS = {"Add", "Mul", "Concat"}
_TWO_INPUTS = {"MatMul", "Gemm", "Conv", "ConvTranspose"}
_BIASED = {"Conv", "ConvTranspose", "Gemm"}


def data_inputs(node: ir.Node) -> list[int]:
    """Indices of the inputs that hold real numbers to be put on a grid (activations or weights)."""
    if node.op_type in _ALL_INPUTS:
        return list(range(len(node.inputs)))
    return [0, 1] if node.op_type in _TWO_INPUTS else [0]


def bias_input(node: ir.Node) -> int | None:
    """Index of the bias input, or None when the node has none."""
    has = node.op_type in _BIASED and len(node.inputs) > 2 and node.inputs[2] is not None
    return 2 if has else None


def channel_axis(node: ir.Node, index: int, rank: int) -> int | None:
    """The axis of a weight that counts output channels; None where one scale must serve the whole tensor."""
    match node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            return 1
        case "Gemm":
            transposed = attribute(node, "transB", 0)
            return (0 if transposed else 1) if index == 1 else None
        case "MatMul":
            return rank - 1 if index == 1 and rank >= 2 else None
        case "Gather":
            return 1 if rank == 2 and attribute(node, "axis", 0) == 0 else None
    return None


def summed_axis(node: ir.Node, rank: int) -> int:
    """The axis of the second operand of a Gemm or MatMul that is summed over."""
    if node.op_type == "Gemm":
        return 1 if attribute(node, "transB", 0) else 0
    return max(rank - 2, 0)


def input_channels(node: ir.Node) -> int | None:
    """How many input channels a Conv with one group has; None for other nodes."""
    weight = node.inputs[1] if node.op_type == "Conv" else None
    if weight is None or weight.shape is None or attribute(node, "group", 1) != 1:
        return None
    channels = weight.shape[1]
    return channels if isinstance(channels, int) else None


def is_depthwise(node: ir.Node) -> bool:
    """Whether the node is a Conv in which each input channel has filters of its own."""
    weight = node.inputs[1] if node.op_type == "Conv" else None
    return weight is not None and weight.shape is not None and weight.shape[1] == 1 and attribute(node, "group", 1) > 1


def in_front_of_softmax(value: ir.Value) -> ir.Value:
    """What the Softmax reads that writes the value, else the value itself: where it is sure, one hardly moves."""
    producer = value.producer()
    inside = producer.inputs[0] if producer is not None and producer.op_type == "Softmax" else None
    return value if inside is None else inside


def weight_size(value: ir.Value | None) -> int:
    """How many numbers a constant holds."""
    return 0 if value is None or value.const_value is None else value.const_value.size


def attribute(node: ir.Node, name: str, default: int | float) -> int | float:
    """A number among the node's attributes, or `default`."""
    found = node.attributes.get(name)
    return default if found is None else found.value


def is_float32(value: ir.Value | None) -> bool:
    """Whether the tensor is known to hold float32."""
    return value is not None and value.dtype == ir.DataType.FLOAT


def is_constant(value: ir.Value | None) -> bool:
    """Whether the value is a weight: known before any input is given."""
    return value is not None and value.is_initializer() and not value.is_graph_input()


def has_subgraph(node: ir.Node) -> bool:
    """Whether the node runs graphs of its own (If, Loop, Scan)."""
    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    return any(a.type in graphs for a in node.attributes.values())


def obstacle(node: ir.Node) -> str | None:
    """Why this particular node has no integer form although its operator type has one, or None."""
    if node.domain not in ("", "ai.onnx"):
        return f"operator of the domain '{node.domain}', which Octavo does not know"
    inputs = [node.inputs[i] for i in data_inputs(node)]
    if any(value is None for value in inputs):
        return "a data input is missing"
    # An embedding looks rows of a constant up; whatever else reads constants alone has no activation to observe.
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
                return "its second output gives the places of the maxima, not real numbers"
        case "Resize":
            mode = node.attributes.get("mode")
            if mode is not None and mode.as_string() == "cubic":
                return "cubic Resize overshoots the range of its input"
    return None


def _obstacle_of_pad(node: ir.Node) -> str | None:
    mode = node.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return None
    fill = node.inputs[2] if len(node.inputs) > 2 else None
    if fill is None:
        return None
    array = constant(fill)
    if array is None or float(array.reshape(-1)[0]) != 0.0:
        return "it pads with a value other than zero"
    return None
