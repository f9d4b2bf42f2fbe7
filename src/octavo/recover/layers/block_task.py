"""The reconstruction of a block as an optimization task for PyTorch, with its samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

import octavo.torch
from octavo.affine import spread
from octavo.engines.onnxruntime import Session
from octavo.graph.constants import constant
from octavo.graph.extract import extract
from octavo.graph.linear import bias_input
from octavo.graph.operators import in_front_of_softmax
from octavo.graph.weights import QuantizedConstant
from octavo.quantizer import State
from octavo.recover.layers.blocks import Block
from octavo.recover.layers.walk import Walk, calibration_batches
from octavo.torch import Batch, Biased, Rounded, Task

Arrays = Mapping[str, NDArray[Any]]

# One in this many samples is held out: it judges the result and is not fitted.
_HELD_OUT = 5
# Samples in one computation of importances.
_IMPORTANCE_BATCH = 8


def nodes_of(model: ir.Model, block: Block) -> list[ir.Node]:
    """The nodes of a block in the quantized model, with the Q and DQ before and between them."""
    nodes = list(model.graph)
    places = {node.name: place for place, node in enumerate(nodes)}
    producer = block.entry.producer()
    start = 0 if producer is None else places[producer.name] + 1
    return nodes[start : max(places[node.name] for node in block.nodes) + 1]


def block_task(
    state: State, block: Block, model: ir.Model, constants: Mapping[str, QuantizedConstant], steps: int, rows: int
) -> Task:
    """The optimization task of a block.

    Args:
        state: the quantization, with the float weights.
        block: the block in the float model.
        model: the quantized model.
        constants: weights of each layer of the block, in the layout of the float model's array.
        steps, rows: steps of the optimizer, and samples in each.
    """
    nodes = nodes_of(model, block)
    inside = {node.name: node for node in nodes}
    weights = [_rounded(state, inside[name], constants[name]) for name in block.layers]
    biases = [bias for name in block.layers if (bias := _bias(state, model, inside[name])) is not None]
    exits = {value.name or "": _counterpart(model, value) for value in block.exits}
    return Task(nodes, exits, weights, biases, steps, rows, state.settings.seed)


def to_stored_layout(state: State, layer: str, array: NDArray[Any]) -> NDArray[Any]:
    """Convert weights from the float model's layout to that of the quantized model, or back."""
    return array.T if state.constants[layer, 1].transposed else array


def _rounded(state: State, node: ir.Node, weights: QuantizedConstant) -> Rounded:
    floats = next(original for original in state.model.graph if original.name == node.name)
    array, value, params = constant(floats.inputs[1]), node.inputs[1], weights.params
    assert array is not None
    assert value is not None
    scale = spread(params.scale, params, array.shape)
    real, integers, scales = (
        to_stored_layout(state, floats.name or "", part)
        for part in (array.astype(np.float64) / scale, weights.integers, np.broadcast_to(scale, array.shape))
    )
    return Rounded(value.name or "", real, integers, scales, params.grid.qmin, params.grid.qmax)


def _bias(state: State, model: ir.Model, node: ir.Node) -> Biased | None:
    """The constant bias of a layer; None unless it has one value per channel."""
    floats = next(original for original in state.model.graph if original.name == node.name)
    index = bias_input(floats)
    value = None if index is None else constant(floats.inputs[index])
    tensor = None if index is None else node.inputs[index]
    if value is None or tensor is None or value.ndim != 1:
        return None
    output = floats.outputs[0]
    return Biased(
        node.name or "", tensor.name or "", value.astype(np.float32), _counterpart(model, output), output.name or ""
    )


def block_batches(
    state: State, block: Block, model: ir.Model, walks: tuple[Walk, Walk], weights: Sequence[Arrays]
) -> tuple[list[Batch], list[Batch]]:
    """The samples to fit, and the held-out samples to judge by, of which there may be none.

    Args:
        state: the quantization; its reference gives the expected outputs.
        block: the block in the float model.
        model: the quantized model.
        walks: walks over the float and the quantized model, both stopped in front of the block.
        weights: importances, from `importances`.
    """
    nodes = nodes_of(model, block)
    expected, actual = (_tensors(walk, part) for walk, part in zip(walks, (block.nodes, nodes), strict=True))
    entry, outputs = block.entry.name or "", [node.outputs[0] for node in block.nodes if node.name in block.layers]
    exits = [*dict.fromkeys(value.name or "" for value in (*block.exits, *outputs))]
    dtypes = {name: ir.DataType.from_numpy(array.dtype) for name, array in expected[0].items()}
    session = Session(extract(state.reference, block.nodes, dtypes, exits), threads=state.settings.threads)
    exit_names = {value.name or "" for value in block.exits}
    counts = [{name: array for name, array in batch.items() if name in exit_names} for batch in weights]
    return _split(
        [
            Batch(inputs, session.run(floats), count, len(floats[entry]))
            for inputs, floats, count in zip(actual, expected, counts, strict=True)
        ]
    )


def importances(state: State, cut: Sequence[Block]) -> list[Arrays]:
    """Importance of each element of the blocks' exits for the outputs, per batch; empty where PyTorch cannot run it."""
    settings, model = state.settings, state.reference
    batches = calibration_batches(settings.samples, model, settings.threads)
    nodes = list(model.graph)
    exits = [value.name or "" for block in cut for value in block.exits]
    if octavo.torch.untranslatable(nodes) or not any(array.dtype.kind == "f" for array in batches[0].values()):
        return [{} for _ in batches]
    outputs = [in_front_of_softmax(value).name or "" for value in model.graph.outputs]
    raw = [_importance(nodes, batch, exits, outputs, settings.seed) for batch in batches]
    sizes = {name: float(np.mean([batch[name].mean() for batch in raw])) for name in exits}
    return [{name: batch[name] / size for name, size in sizes.items() if size > 0} for batch in raw]


def _importance(
    nodes: Sequence[ir.Node], batch: Arrays, exits: Sequence[str], outputs: Sequence[str], seed: int
) -> Arrays:
    """Importances of a batch, a few samples at a time if the batch size is free, as gradients keep all tensors."""
    size = len(next(iter(batch.values())))
    values = [value for node in nodes for value in node.inputs if value is not None and value.name in batch]
    if any(not value.shape or isinstance(value.shape[0], int) for value in values):
        return octavo.torch.importance(nodes, batch, exits, outputs, seed)
    parts = [
        octavo.torch.importance(
            nodes, {name: array[rows] for name, array in batch.items()}, exits, outputs, seed + int(rows[0])
        )
        for rows in np.array_split(np.arange(size), -(-size // _IMPORTANCE_BATCH))
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in exits}


def _tensors(walk: Walk, nodes: Sequence[ir.Node]) -> list[dict[str, NDArray[Any]]]:
    """The tensors that the nodes read and do not write, per batch."""
    produced = {value for node in nodes for value in node.outputs}
    read = dict.fromkeys(
        value.name or ""
        for node in nodes
        for value in node.inputs
        if value is not None and value not in produced and constant(value) is None
    )
    columns = {name: walk.tensor(name) for name in read}
    count = len(next(iter(columns.values())))
    return [{name: arrays[i] for name, arrays in columns.items()} for i in range(count)]


def _split(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """Split into samples to fit and held-out samples; batches of equal shapes are concatenated first."""
    joined = _joined(batches)
    if len(joined) > 1:
        return [b for i, b in enumerate(joined) if i % _HELD_OUT], joined[::_HELD_OUT]
    rows = np.arange(joined[0].size)
    is_held_out = rows % _HELD_OUT == 0
    return (
        ([_some(joined[0], rows[~is_held_out])], [_some(joined[0], rows[is_held_out])])
        if is_held_out.sum() < len(rows)
        else (joined, [])
    )


def _joined(batches: Sequence[Batch]) -> list[Batch]:
    """One batch of all samples if arrays differ in the sample axis only; else the batches unchanged."""
    shapes = {tuple(array.shape[1:] for array in _arrays(batch)) for batch in batches}
    if len(shapes) > 1 or any(not a.ndim or len(a) != batch.size for batch in batches for a in _arrays(batch)):
        return list(batches)

    def concatenated(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    inputs, references = concatenated([b.inputs for b in batches]), concatenated([b.references for b in batches])
    return [Batch(inputs, references, concatenated([b.weight for b in batches]), sum(b.size for b in batches))]


def _arrays(batch: Batch) -> list[NDArray[Any]]:
    return [*batch.inputs.values(), *batch.references.values(), *batch.weight.values()]


def _some(batch: Batch, rows: NDArray[np.intp]) -> Batch:
    def select_rows(part: Arrays) -> Arrays:
        return {name: array[rows] for name, array in part.items()}

    return Batch(select_rows(batch.inputs), select_rows(batch.references), select_rows(batch.weight), len(rows))


def _counterpart(model: ir.Model, value: ir.Value) -> str:
    """The name in the quantized model of a float model's tensor: that of an output changes, as DQ writes the output."""
    producer = value.producer()
    if producer is None:
        return value.name or ""
    node = next(node for node in model.graph if node.name == producer.name)
    return node.outputs[value.index() or 0].name or ""
