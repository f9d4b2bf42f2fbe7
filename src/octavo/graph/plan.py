"""Decide from graph and target alone which operators run on integers and which tensors are quantized."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.graph import operators as ops
from octavo.graph.linear import MATRIX_PRODUCTS, bias_input, stores_transposed, summed_axes
from octavo.graph.rewrite import sole_reader
from octavo.targets import Target


@dataclass(frozen=True)
class TensorPlan:
    """An activation to quantize.

    Attributes:
        name: the tensor.
        source: the tensor whose observed range gives the parameters; data movers (Reshape, MaxPool) pass on
            those of their input, so all their tensors have one source.
        grid: the integers to map to.
        symmetric: whether the zero point is fixed at the grid's middle.
        estimator: name of the range estimator.
    """

    name: str
    source: str
    grid: Grid
    symmetric: bool
    estimator: str


@dataclass(frozen=True)
class WeightPlan:
    """A constant input of a layer to store as integers.

    Attributes:
        tensor: name of the constant.
        index: the input of the node that reads it.
        grid: the integers to map to.
        axis: the axis with a scale for each of its indices (the output channels); with a `block_size`, the axis
            that is divided into blocks (the one summed over); None for one scale per tensor.
        block_size: the number of consecutive values along `axis` that share a scale.
    """

    tensor: str
    index: int
    grid: Grid
    axis: int | None
    block_size: int | None = None


@dataclass(frozen=True)
class LayerPlan:
    """One operator that runs on integers, with the activation function fused behind it.

    Attributes:
        name: the node.
        op: its operator type.
        role: "compute" (multiplies, has weights), "carry" (elementwise, requantizes), "move" (copies integers)
            or "embedding" (looks up rows of a constant).
        inputs: the quantized activations it reads, by input index.
        weights: its constant inputs.
        bias: index of the bias input, or None.
        result: the tensor it writes, fused activation included, whether quantized or not.
        fused: names of the fused nodes.
        output: `result` if that tensor is quantized, None if the layer writes float.
    """

    name: str
    op: str
    role: str
    inputs: dict[int, str]
    weights: list[WeightPlan]
    bias: int | None
    result: str
    fused: tuple[str, ...] = ()
    output: str | None = None


@dataclass(frozen=True)
class LeftFloat:
    """An operator that stays in float, and the reason."""

    name: str
    op: str
    why: str


@dataclass(frozen=True)
class Plan:
    """All decisions for a model and a target: integer layers, quantized tensors, and operators that stay in float."""

    target: Target
    layers: dict[str, LayerPlan]
    tensors: dict[str, TensorPlan]
    left_float: list[LeftFloat]

    @property
    def sources(self) -> list[str]:
        """The tensors whose ranges must be observed, without duplicates, in graph order."""
        return list(dict.fromkeys(tensor.source for tensor in self.tensors.values()))

    def with_tensors(self, change: Callable[[TensorPlan], TensorPlan]) -> Plan:
        """The plan with `change` applied to each quantized activation."""
        return replace(self, tensors={name: change(tensor) for name, tensor in self.tensors.items()})

    def reads_wide(self, layer: LayerPlan) -> bool:
        """Whether the layer reads more than 8 bits: engines accumulate such products in float."""
        return any(self.tensors[name].grid.bits > 8 for name in layer.inputs.values())


def make_plan(
    model: ir.Model, target: Target, exclude: Sequence[str] = (), left_out: Mapping[str, str] | None = None
) -> Plan:
    """Plan the quantization of a prepared model for a target.

    Args:
        model: a float32 model as `prepare` leaves it.
        target: the rules of the hardware and its engines.
        exclude: node names, operator types, or regular expressions that match whole node names.
        left_out: further nodes to leave in float: reason by node name.

    Raises:
        OptionError: an exclusion is not a valid expression or matches nothing.
    """
    why = {name: f"excluded by '{pattern}'" for name, pattern in excluded_nodes(model, exclude).items()}
    return _Planner(model, target, {**why, **(left_out or {})}).plan()


def excluded_nodes(model: ir.Model, exclude: Sequence[str]) -> dict[str, str]:
    """The excluded nodes: name of the node to the exclusion that matches it.

    Raises:
        OptionError: an exclusion is not a valid regular expression, or matches no node.
    """
    excluded: dict[str, str] = {}
    for pattern in exclude:
        matched = [n.name or "" for n in model.graph if _matches(n, pattern)]
        if not matched:
            raise OptionError(
                f"`exclude` '{pattern}' matches no node name and no operator type of the model; "
                "octavo inspect lists both"
            )
        excluded.update(dict.fromkeys(matched, pattern))
    return excluded


def _matches(node: ir.Node, pattern: str) -> bool:
    if pattern in (node.name, node.op_type):
        return True
    try:
        return re.fullmatch(pattern, node.name or "") is not None
    except re.error as error:
        raise OptionError(f"`exclude` '{pattern}' is not a valid regular expression ({error})") from None


class _Planner:
    """Traverse the graph forwards to find integer layers, then backwards to extend them over data movers.

    `float_reasons` maps nodes left in float to the reason; `quantizable` are the tensors available as integers, and
    `lost` those whose reader was an integer layer and went back to float.
    """

    def __init__(self, model: ir.Model, target: Target, excluded: dict[str, str]) -> None:
        self.nodes = list(model.graph)
        self.target = target
        self.excluded = excluded
        self.layers: dict[str, LayerPlan] = {}
        self.float_reasons: dict[str, str] = {}
        self.fused: set[str] = set()
        self.quantizable: set[str] = set()
        self.lost: set[str] = set()

    def plan(self) -> Plan:
        for node in self.nodes:
            self._plan_node(node)
        for node in reversed(self.nodes):
            self._drop_small_head(node)
            self._drop_unread_carry(node)
        for node in reversed(self.nodes):
            self._extend_to_mover(node)
        for node in self.nodes:
            self._choose_output(node)
        left = [
            LeftFloat(n.name or "", n.op_type, self.float_reasons[n.name or ""])
            for n in self.nodes
            if n.name in self.float_reasons
        ]
        return Plan(self.target, self.layers, self._tensors(), left)

    def _plan_node(self, node: ir.Node) -> None:
        name = node.name or ""
        if name in self.fused or not _touches_floats(node):
            return
        why = self._why_float(node)
        if why is None:
            self._add_layer(node, self._role(node))
        else:
            self.float_reasons[name] = why

    def _role(self, node: ir.Node) -> str:
        role = self.target.role(node.op_type)
        if node.op_type == "Gather":
            if ops.is_constant(node.inputs[0]):
                return "embedding" if role == "compute" else "float"
            return "move" if "Gather" in self.target.move else "float"
        return role

    def _why_float(self, node: ir.Node) -> str | None:
        name = node.name or ""
        if name in self.excluded:
            return self.excluded[name]
        if ops.has_subgraph(node):
            return f"{node.op_type} runs a graph of its own, which is kept in float"
        role = self._role(node)
        if role == "float":
            custom = node.domain not in ("", "ai.onnx")
            return ops.obstacle(node) if custom else self.target.why_float(node.op_type)
        obstacle = ops.obstacle(node)
        if obstacle is not None:
            return obstacle
        if self.target.weights_only:
            return self._why_not_stored(node)
        channels = ops.input_channels(node)
        if channels is not None and channels < self.target.least_input_channels:
            return f"with {channels} input channel{'s' * (channels > 1)} its integer form is slower than float"
        value = self._float_input(node)
        if value is None:
            return None
        producer = value.producer()
        origin = f"{producer.op_type} '{producer.name}'" if producer else "a graph input"
        source = f"its input '{value.name}' is float (from {origin})"
        if role in ("carry", "move"):
            return f"{source}, so integers would only add rounding"
        if self.target.carry_depthwise and ops.is_depthwise(node):
            return f"{source}, and a depthwise Conv gains nothing from integers"
        return None

    def _why_not_stored(self, node: ir.Node) -> str | None:
        """Why a target that quantizes weights alone stores none for this product, or None."""
        value = node.inputs[1]
        producer = None if value is None else value.producer()
        if producer is not None and producer.op_type == "Transpose":
            value = producer.inputs[0]
        if value is None or not ops.is_constant(value):
            return f"a {node.op_type} of two activations has no weights to store"
        readers = [use.node for use in value.uses() if use.node is not producer]
        other = next((reader for reader in readers if self._role(reader) != "compute"), None)
        if other is not None:
            return (
                f"{other.op_type} '{other.name}' reads its weights in float, so a quantized copy would add to the file"
            )
        return None if producer is None else f"its weights are '{value.name}', transposed while the model runs"

    def _float_input(self, node: ir.Node) -> ir.Value | None:
        """The first activation among the data inputs that is not available as integers, or None."""
        for index in ops.data_inputs(node):
            value = node.inputs[index]
            if value is not None and not ops.is_constant(value) and value.name not in self.quantizable:
                return value
        return None

    def _add_layer(self, node: ir.Node, role: str) -> None:
        weights, inputs = self._operands(node, role)
        tail = self._fused_tail(node) if role in ("compute", "carry") else None
        last = tail or node
        layer = LayerPlan(
            node.name or "",
            node.op_type,
            role,
            inputs,
            weights,
            bias_input(node),
            last.outputs[0].name or "",
            () if tail is None else (tail.name or "",),
        )
        self.fused.update(layer.fused)
        self.layers[layer.name] = layer
        if role == "compute":
            # Quantized for this layer, so an Add that reads the same tensor can read integers as well.
            self.quantizable.update(inputs.values())
        writes_integers = self.target.writes_integers(node.op_type, tail is not None)
        if role != "embedding" and (writes_integers or not self.target.behind):
            self.quantizable.update(value.name or "" for value in last.outputs)

    def _operands(self, node: ir.Node, role: str) -> tuple[list[WeightPlan], dict[int, str]]:
        weights: list[WeightPlan] = []
        inputs: dict[int, str] = {}
        for index in ops.data_inputs(node):
            value = node.inputs[index]
            assert value is not None
            if ops.is_constant(value):
                weights.append(self._weight(node, index, value, role))
            else:
                inputs[index] = value.name or ""
        return weights, {} if self.target.weights_only else self._without_fused_branch(node, inputs)

    def _weight(self, node: ir.Node, index: int, value: ir.Value, role: str) -> WeightPlan:
        rank = len(value.shape) if value.shape is not None else 0
        if role == "carry":
            return WeightPlan(value.name or "", index, self.target.activations.grid, None)
        if self.target.block_size is not None:
            (axis,) = summed_axes(node, index, rank)
            return WeightPlan(value.name or "", index, self.target.weights, axis, self.target.block_size)
        channels = ops.channel_axis(node, index, rank)
        allowed = self.target.per_channel and (
            self.target.weight_axes is None or channels in self.target.weight_axes or stores_transposed(node.op_type)
        )
        return WeightPlan(value.name or "", index, self.target.weights, channels if allowed else None)

    def _without_fused_branch(self, node: ir.Node, inputs: dict[int, str]) -> dict[int, str]:
        """If Q/DQ stand only in front of operators, leave the branch of an Add that a layer writes in float.

        The engine then fuses the Add with that layer as a residual add.
        """
        if self.target.behind or node.op_type != "Add":
            return inputs
        for index, name in inputs.items():
            branch = node.inputs[index]
            producer = branch.producer() if branch is not None else None
            if producer is None or branch is None or len(branch.uses()) != 1:
                continue
            layer = self.layers.get(producer.name or "")
            if layer is not None and layer.role == "compute":
                return {key: value for key, value in inputs.items() if value != name}
        return inputs

    def _fused_tail(self, node: ir.Node) -> ir.Node | None:
        output = node.outputs[0]
        follower = sole_reader(output)
        if (
            follower is None
            or follower.domain not in ("", "ai.onnx")
            or (node.op_type, follower.op_type) not in self.target.fusions
            or follower.name in self.excluded
        ):
            return None
        if follower.graph is not node.graph or follower.inputs[0] is not output:
            return None
        return follower

    def _drop_small_head(self, node: ir.Node) -> None:
        """Leave a small last layer that writes float in float: its overhead exceeds what integers save."""
        layer = self.layers.get(node.name or "")
        if layer is None or self.target.writes_integers(layer.op, bool(layer.fused)) or layer.role != "compute":
            return
        weights = sum(ops.weight_size(node.inputs[weight.index]) for weight in layer.weights)
        if not 0 < weights < self.target.least_head_weights or self._read_as_integers(node):
            return
        if all(self._written_as_integers(name) for name in layer.inputs.values()):
            self._leave(layer, f"with {weights} weights its integer form is slower than float")

    def _leave(self, layer: LayerPlan, why: str) -> None:
        del self.layers[layer.name]
        self.fused.difference_update(layer.fused)
        self.float_reasons.update(dict.fromkeys((layer.name, *layer.fused), why))
        self.lost.update(layer.inputs.values())

    def _drop_unread_carry(self, node: ir.Node) -> None:
        """Leave an elementwise operator in float if the layers that read its integers went back to float.

        Pooling stays: it reads more than it writes, and averages the rounding.
        """
        layer = self.layers.get(node.name or "")
        if layer is None or layer.role != "carry" or layer.op in ops.SHRINKING or layer.result not in self.lost:
            return
        if not any(layer.result in other.inputs.values() for other in self.layers.values()):
            self._leave(layer, "no operator behind it takes integers, so they would only add rounding")

    def _written_as_integers(self, name: str) -> bool:
        """Whether an integer layer writes the tensor as integers; a float reader then needs a conversion."""
        return any(
            name == layer.result and self.target.writes_integers(layer.op, bool(layer.fused))
            for layer in self.layers.values()
            if layer.role != "embedding"
        )

    def _extend_to_mover(self, node: ir.Node) -> None:
        """Quantize in front of a float data mover if every reader of its output reads integers."""
        name = node.name or ""
        self._drop_unread_mover(node)
        if name not in self.float_reasons or name in self.excluded or self._role(node) != "move":
            return
        if ops.obstacle(node) is not None or len(node.outputs) != 1:
            return
        output = node.outputs[0]
        readers = [(use.node.name or "", use.idx) for use in output.uses()]
        all_quantized = all(reader in self.layers and index in self.layers[reader].inputs for reader, index in readers)
        if readers and all_quantized and not output.is_graph_output():
            del self.float_reasons[name]
            self._add_layer(node, "move")

    def _drop_unread_mover(self, node: ir.Node) -> None:
        """A data mover whose output no layer reads as integers stays in float, unless its input is written so."""
        layer = self.layers.get(node.name or "")
        if layer is None or layer.role != "move" or self._read_as_integers(node):
            return
        if not self.target.behind or not self._comes_as_integers(node):
            self._leave(layer, "no operator behind it takes integers")

    def _comes_as_integers(self, node: ir.Node) -> bool:
        """Whether what a data mover moves is written as integers by a layer, directly or through other movers."""
        value = node.inputs[0]
        while value is not None and (producer := value.producer()) is not None:
            layer = self.layers.get(producer.name or "")
            if layer is None or layer.role != "move":
                break
            value = producer.inputs[0]
        return value is not None and self._written_as_integers(value.name or "")

    def _read_as_integers(self, node: ir.Node) -> bool:
        names = {value.name for value in node.outputs}
        return any(names & set(layer.inputs.values()) for layer in self.layers.values())

    def _choose_output(self, node: ir.Node) -> None:
        layer = self.layers.get(node.name or "")
        if layer is None or layer.role == "embedding":
            return
        is_read = any(layer.result in other.inputs.values() for other in self.layers.values())
        must = self.target.writes_integers(layer.op, bool(layer.fused))
        if is_read or must or layer.role == "move":
            self.layers[layer.name] = replace(layer, output=layer.result)

    def _tensors(self) -> dict[str, TensorPlan]:
        source: dict[str, str] = {}
        names: dict[str, None] = {}
        for node in self.nodes:
            layer = self.layers.get(node.name or "")
            if layer is None:
                continue
            names.update(dict.fromkeys(layer.inputs.values()))
            if layer.role == "move":
                origin = layer.inputs[0]
                moved = [v.name for v in node.outputs if v.name]
                source.update(dict.fromkeys(moved, source.get(origin, origin)))
                names.update(dict.fromkeys(moved))
            elif layer.output is not None:
                names[layer.output] = None
        second = self._second_operands(source)
        return {name: self._tensor(name, source.get(name, name), second) for name in names}

    def _second_operands(self, source: dict[str, str]) -> set[str]:
        """Sources that are read only as the second operand of matrix products."""
        reads: dict[str, set[bool]] = {}
        for layer in self.layers.values():
            for index, name in layer.inputs.items():
                is_second = layer.op in MATRIX_PRODUCTS and index == 1
                if layer.role != "move":
                    reads.setdefault(source.get(name, name), set()).add(is_second)
        return {name for name, is_second in reads.items() if is_second == {True}}

    def _tensor(self, name: str, source: str, second: set[str]) -> TensorPlan:
        rule = self.target.second_operand if source in second else self.target.activations
        return TensorPlan(name, source, rule.grid, rule.symmetric, self.target.estimator)


def _touches_floats(node: ir.Node) -> bool:
    """Whether the node computes on floating-point tensors, rather than on shapes, indices or masks."""
    if ops.has_subgraph(node) or node.domain not in ("", "ai.onnx"):
        return True
    if node.op_type in ("Shape", "Size", "Constant", "ConstantOfShape"):
        return False
    floats = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16)
    return any(value is not None and value.dtype in floats for value in (*node.inputs, *node.outputs))
