"""Cut a float graph into blocks that are connected by a single tensor, to be reconstructed one after the other."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from octavo.graph.operators import is_constant, is_depthwise


@dataclass(frozen=True)
class Block:
    """Consecutive nodes that read a single float activation of the nodes before them.

    Attributes:
        nodes: in graph order.
        entry: that activation.
        exits: outputs that later nodes read, or that are outputs of the model.
        layers: names of the nodes whose weights are to be rounded.
    """

    nodes: tuple[ir.Node, ...]
    entry: ir.Value
    exits: tuple[ir.Value, ...]
    layers: tuple[str, ...]


def blocks(model: ir.Model, layers: Collection[str]) -> list[Block]:
    """The smallest blocks around the layers: a residual block is one, and so is a depthwise Conv with what follows.

    Tensors computed from integer inputs alone (masks, positions) do not count as activations, and any block may read
    them. The shape of an activation does: it holds the batch size, and a block runs on other batches than the model.
    Nodes before the first single activation are in no block, and neither is a Softmax at the end of one: its
    gradient vanishes where it saturates.

    Args:
        model: a float model as `octavo.graph.prepare` returns it.
        layers: names of the nodes whose weights are to be rounded.
    """
    nodes = list(model.graph)
    cut: list[Block] = []
    pending: Block | None = None
    for piece in _pieces(model, nodes, layers):
        joined = piece if pending is None else _joined(pending, piece)
        pending = None
        if not joined.layers and cut:
            cut[-1] = _joined(cut[-1], joined)
        elif not joined.layers or _ends_depthwise(joined):
            pending = joined
        else:
            cut.append(joined)
    if pending is not None and pending.layers:
        cut.append(pending)
    return [_without_softmax(block) for block in cut]


def _pieces(model: ir.Model, nodes: Sequence[ir.Node], layers: Collection[str]) -> list[Block]:
    """The graph, cut wherever a single activation is alive."""
    cuts = _cuts(model, nodes)
    ends = [*(place for place, _ in cuts[1:]), len(nodes)]
    return [
        _block(model, nodes[start:stop], entry, layers)
        for (start, entry), stop in zip(cuts, ends, strict=True)
        if stop > start
    ]


def _cuts(model: ir.Model, nodes: Sequence[ir.Node]) -> list[tuple[int, ir.Value]]:
    """The positions between nodes where a single activation is alive, with that activation."""
    last: dict[ir.Value, int] = {}
    for position, node in enumerate(nodes):
        last.update({value: position for value in node.inputs if value is not None})
    alive = {value for value in model.graph.inputs if _is_float(value) and value in last}
    flowing = set(alive)
    cuts = [(0, next(iter(alive)))] if len(alive) == 1 else []
    for position, node in enumerate(nodes):
        if any(value in flowing for value in node.inputs) or _is_lookup(node):
            flowing.update(node.outputs)
            alive.update(node.outputs)
        alive = {value for value in alive if last.get(value, -1) > position}
        if len(alive) == 1 and _is_float(next(iter(alive))):
            cuts.append((position + 1, next(iter(alive))))
    return cuts


def _block(model: ir.Model, nodes: Sequence[ir.Node], entry: ir.Value, layers: Collection[str]) -> Block:
    inside = set(nodes)
    exits = [
        value
        for node in nodes
        for value in node.outputs
        if _is_float(value) and (value.is_graph_output() or any(use.node not in inside for use in value.uses()))
    ]
    return Block(tuple(nodes), entry, tuple(exits), tuple(node.name or "" for node in nodes if node.name in layers))


def _joined(first: Block, second: Block) -> Block:
    inside = {*first.nodes, *second.nodes}
    exits = [v for v in first.exits if v.is_graph_output() or any(use.node not in inside for use in v.uses())]
    return Block(first.nodes + second.nodes, first.entry, (*exits, *second.exits), (*first.layers, *second.layers))


def _without_softmax(block: Block) -> Block:
    last = block.nodes[-1]
    value = last.inputs[0]
    if last.op_type != "Softmax" or value is None or block.exits != tuple(last.outputs):
        return block
    return Block(block.nodes[:-1], block.entry, (value,), block.layers)


def _ends_depthwise(block: Block) -> bool:
    return is_depthwise(next(node for node in block.nodes if node.name == block.layers[-1]))


def _is_float(value: ir.Value) -> bool:
    return value.dtype == ir.DataType.FLOAT


def _is_lookup(node: ir.Node) -> bool:
    return node.op_type == "Gather" and is_constant(node.inputs[0]) and _is_float(node.outputs[0])
