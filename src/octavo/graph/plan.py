"""Decide, before any data is seen, which operators run in integers and which tensors go on a grid."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx_ir as ir

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.graph import operators as ops
from octavo.graph.linear import MATRIX_PRODUCTS, bias_input, stores_transposed, summed_axes
from octavo.graph.rewrite import sole_reader
from octavo.targets import Target


@dataclass
class TensorPlan:
    """An activation to put on a grid; tensors that share parameters share `source`, the one observed."""

    name: str
    source: str
    grid: Grid
    symmetric: bool
    estimator: str


@dataclass
class WeightPlan:
    """A constant input of a layer to store as integers; `axis` None means one scale for the tensor.

    With a `block_size`, so many values along `axis`, which is then the one that is summed over, share a scale.
    """

    tensor: str
    index: int
    grid: Grid
    axis: int | None
    block_size: int | None = None


@dataclass
class LayerPlan:
    """One operator that will run in integers (with what is fused behind it).

    `inputs` maps input indices to the activations read on their grids; `output` is the activation
    written on its grid, or None when the layer writes floats.
    """

    name: str
    op: str
    role: str
    inputs: dict[int, str]
    weights: list[WeightPlan]
    bias: int | None
    result: str
    fused: list[str] = field(default_factory=list)
    output: str | None = None


@dataclass
class LeftFloat:
    """An operator that stays in float, and why."""

    name: str
    op: str
    why: str


@dataclass
class Plan:
    """Every decision taken for a model and a target: layers, tensors on grids, and what stays in float."""

    target: Target
    layers: dict[str, LayerPlan]
    tensors: dict[str, TensorPlan]
    left_float: list[LeftFloat]

    @property
    def sources(self) -> list[str]:
        """The tensors whose ranges must be observed, each once, in graph order."""
        return list(dict.fromkeys(tensor.source for tensor in self.tensors.values()))

    def reads_wide(self, layer: LayerPlan) -> bool:
        """Whether the layer reads more than 8 bits: engines add such products up in float."""
        return any(self.tensors[name].grid.bits > 8 for name in layer.inputs.values())


def make_plan(
    model: ir.Model, target: Target, exclude: Sequence[str] = (), left_out: Mapping[str, str] | None = None
) -> Plan:
    """Plan the quantization of a prepared model for a target.

    Args:
        model: a float32 model as `prepare` leaves it.
        target: what the hardware and its engines accept.
        exclude: node names, operator types, or regular expressions that match whole node names.
        left_out: nodes to leave in float for another reason, by name.

    Raises:
        OptionError: an exclusion is not a valid expression or matches nothing.
    """
    why = {name: f"excluded by '{pattern}'" for name, pattern in excluded_nodes(model, exclude).items()}
    return _Planner(model, target, {**why, **(left_out or {})}).plan()


def excluded_nodes(model: ir.Model, exclude: Sequence[str]) -> dict[str, str]:
    """The node names that the exclusions match, each with the exclusion that matched it.

    Raises:
        OptionError: an exclusion is not a valid regular expression, or matches no node.
    """
    found: dict[str, str] = {}
    for pattern in exclude:
        matched = [n.name or "" for n in model.graph if _matches(n, pattern)]
        if not matched:
            raise OptionError(
                f"`exclude` '{pattern}' matches no node name and no operator type of the model; "
                "octavo inspect lists both"
            )
        found.update(dict.fromkeys(matched, pattern))
    return found


def _matches(node: ir.Node, pattern: str) -> bool:
    if pattern in (node.name, node.op_type):
        return True
    try:
        return re.fullmatch(pattern, node.name or "") is not None
    except re.error as error:
        raise OptionError(f"`exclude` '{pattern}' is not a valid regular expression ({error})") from None


class _Planner:
    """Walks the graph forwards (what can take integers), then backwards (what can pass them on)."""

    def __init__(self, model: ir.Model, target: Target, excluded: dict[str, str]) -> None:
        self.nodes = list(model.graph)
        self.target = target
        self.excluded = excluded
        self.layers: dict[str, LayerPlan] = {}
        self.why: dict[str, str] = {}
        self.fused: set[str] = set()
        self.integers: set[str] = set()

    def plan(self) -> Plan:
        for node in self.nodes:
            self._forward(node)
        for node in reversed(self.nodes):
            self._drop_small_head(node)
        for node in reversed(self.nodes):
            self._backward(node)
        for node in self.nodes:
            self._choose_output(node)
        left = [LeftFloat(n.name or "", n.op_type, self.why[n.name or ""]) for n in self.nodes if n.name in self.why]
        return Plan(self.target, self.layers, self._tensors(), left)

    def _forward(self, node: ir.Node) -> None:
        name = node.name or ""
        if name in self.fused or not _touches_floats(node):
            return
        why = self._why_float(node)
        if why is None:
            self._add_layer(node, self._role(node))
        else:
            self.why[name] = why

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
            constant = ops.is_constant(node.inputs[1])
            return None if constant else f"a {node.op_type} of two activations has no weights to store"
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

    def _float_input(self, node: ir.Node) -> ir.Value | None:
        """The first data input that no integer layer reads or writes, or None."""
        for index in ops.data_inputs(node):
            value = node.inputs[index]
            if value is not None and not ops.is_constant(value) and value.name not in self.integers:
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
        )
        if tail is not None:
            layer.fused.append(tail.name or "")
            self.fused.add(tail.name or "")
        self.layers[layer.name] = layer
        if role == "compute":
            # On a grid for this layer's sake, so an Add that reads the same tensor can have it in integers too.
            self.integers.update(inputs.values())
        writes_integers = self.target.writes_integers(node.op_type, tail is not None)
        if role != "embedding" and (writes_integers or not self.target.behind):
            self.integers.update(value.name or "" for value in last.outputs)

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
        """Where Q/DQ stand only in front, an Add keeps its convolution's branch in float to fuse with it."""
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
        """A last product of few weights, from integers to floats, costs more to start than it saves."""
        layer = self.layers.get(node.name or "")
        if layer is None or self.target.writes_integers(layer.op, bool(layer.fused)) or layer.role != "compute":
            return
        weights = sum(ops.weight_size(node.inputs[weight.index]) for weight in layer.weights)
        if not 0 < weights < self.target.least_head_weights or self._read_as_integers(node):
            return
        if all(self._written_as_integers(name) for name in layer.inputs.values()):
            del self.layers[layer.name]
            self.why[layer.name] = f"with {weights} weights its integer form is slower than float"

    def _written_as_integers(self, name: str) -> bool:
        """Whether an integer layer writes the tensor, so that leaving its reader in float saves no conversion."""
        return any(
            name == layer.result and self.target.writes_integers(layer.op, bool(layer.fused))
            for layer in self.layers.values()
            if layer.role != "embedding"
        )

    def _backward(self, node: ir.Node) -> None:
        """A data mover whose every reader wants integers hands them through: quantize in front of it."""
        name = node.name or ""
        if not self.target.behind:
            self._drop_idle_mover(node)
        if name not in self.why or name in self.excluded or self._role(node) != "move":
            return
        if ops.obstacle(node) is not None or len(node.outputs) != 1:
            return
        output = node.outputs[0]
        readers = [(use.node.name or "", use.idx) for use in output.uses()]
        wanted = all(reader in self.layers and index in self.layers[reader].inputs for reader, index in readers)
        if readers and wanted and not output.is_graph_output():
            del self.why[name]
            self._add_layer(node, "move")

    def _drop_idle_mover(self, node: ir.Node) -> None:
        """Without Q/DQ behind operators, moving integers that nobody reads as integers is only rounding."""
        layer = self.layers.get(node.name or "")
        if layer is not None and layer.role == "move" and not self._read_as_integers(node):
            del self.layers[layer.name]
            self.why[layer.name] = "no operator behind it takes integers"

    def _read_as_integers(self, node: ir.Node) -> bool:
        names = {value.name for value in node.outputs}
        return any(names & set(layer.inputs.values()) for layer in self.layers.values())

    def _choose_output(self, node: ir.Node) -> None:
        layer = self.layers.get(node.name or "")
        if layer is None or layer.role == "embedding":
            return
        wanted = any(layer.result in other.inputs.values() for other in self.layers.values())
        must = self.target.writes_integers(layer.op, bool(layer.fused))
        if wanted or must or layer.role == "move":
            layer.output = layer.result

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
        """Sources read only as the second factor of a product of two activations."""
        reads: dict[str, set[bool]] = {}
        for layer in self.layers.values():
            for index, name in layer.inputs.items():
                is_second = layer.op in MATRIX_PRODUCTS and index == 1
                if layer.role != "move":
                    reads.setdefault(source.get(name, name), set()).add(is_second)
        return {name for name, kinds in reads.items() if kinds == {True}}

    def _tensor(self, name: str, source: str, second: set[str]) -> TensorPlan:
        rule = self.target.second_operand if source in second else self.target.activations
        return TensorPlan(name, source, rule.grid, rule.symmetric, self.target.estimator)


def _touches_floats(node: ir.Node) -> bool:
    """Whether the node works on real numbers, rather than on shapes, indices or masks."""
    if ops.has_subgraph(node) or node.domain not in ("", "ai.onnx"):
        return True
    if node.op_type in ("Shape", "Size", "Constant", "ConstantOfShape"):
        return False
    floats = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.DOUBLE, ir.DataType.BFLOAT16)
    return any(value is not None and value.dtype in floats for value in (*node.inputs, *node.outputs))
