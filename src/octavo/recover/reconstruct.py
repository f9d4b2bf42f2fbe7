"""Block reconstruction: learn how the weights of a block are rounded from the error of its output (BRECQ)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import dequantize, spread
from octavo.engines.onnxruntime import Session
from octavo.graph.constants import constant, new_constant
from octavo.graph.extract import extract
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.recover.blocks import Block, blocks
from octavo.recover.matrices import product
from octavo.recover.round import round_weights
from octavo.recover.rung import Outcome, Rung
from octavo.recover.sensitivity import macs
from octavo.recover.state import State
from octavo.recover.walk import Walk, calibration_batches
from octavo.torch import Batch, Rounded, Task, block_error, learn_rounding, untranslatable

Floats = NDArray[np.float32]

_STEPS = 1000
_ROWS = 32
# Multiply-accumulates of all steps together, forwards; with them the steps of large networks are fewer.
_WORK = 2.5e12
_LEAST_STEPS = 100
# Of the samples, the part that judges and is not fitted.
_HELD_OUT = 5
# Multiply-accumulates a second of a slow core, forwards and backwards.
_SPEED = 6e9
# Seconds of a step that no product takes.
_STEP = 0.004


@dataclass(frozen=True)
class _Weight:
    """A constant of the state with the real numbers it stands for, in the layout in which it is stored."""

    layer: str
    constant: QuantizedConstant
    real: NDArray[np.float64]


def reconstruct_blocks(state: State) -> Outcome:
    """Block after block, each with the inputs that it has in the integer model so far.

    It starts from weights rounded layer by layer, as `round` leaves them.
    """
    if find_spec("torch") is None:
        return Outcome(state, "PyTorch is not installed; pip install 'octavo[torch]' brings it")
    # Single layers first, where that has not been done: a good start, and scales that suit a narrow grid.
    start = state if state.given else round_weights(state).state
    found = _blocks(start)
    given: Constants = {}
    kept, skipped = 0, set[str]()
    for block, model, walks in _visits(start, found):
        unknown = untranslatable(_nodes_of(model, block))
        skipped |= set(unknown)
        if not unknown:
            kept += _fit(start, block, model, walks, given)
    where = f"of {len(found)} blocks" + (f" ({', '.join(sorted(skipped))} cannot be learnt through)" if skipped else "")
    if not kept:
        return Outcome(state, f"{where}, none errs less with learnt rounding")
    note = f"rounding learnt {where} for {kept} of them"
    return Outcome(start.with_constants(given), note)


def forecast(state: State) -> float:
    """Seconds that `reconstruct_blocks` takes, from the multiply-accumulates of the model."""
    each = sum(macs(state).values())
    return _steps(state) * (_rows(state) * each / _SPEED + len(_blocks(state)) * _STEP)


def _blocks(state: State) -> list[Block]:
    nodes = {node.name: node for node in state.reference.graph}
    layers = [layer for layer in state.plan.layers.values() if product(nodes[layer.name], layer) is not None]
    return blocks(state.reference, [each.name for each in layers])


def _steps(state: State) -> int:
    return int(np.clip(_WORK / (sum(macs(state).values()) * _rows(state)), _LEAST_STEPS, _STEPS))


def _rows(state: State) -> int:
    return _ROWS if sum(macs(state).values()) * _ROWS * _STEPS <= _WORK else _ROWS // 2


def _visits(state: State, found: Sequence[Block]) -> Iterator[tuple[Block, ir.Model, tuple[Walk, Walk]]]:
    """Each block in turn with the integer model and the walks, both in front of it."""
    work = state.work
    batches = calibration_batches(work.samples, state.reference, work.threads)
    model = state.quantized.clone()
    walks = Walk(state.reference, batches, work.threads), Walk(model, batches, work.threads)
    work.progress.start("reconstruct", len(found))
    for block in found:
        walks[0].until(block.nodes[0].name or "")
        walks[1].until(_nodes_of(model, block)[0].name or "")
        yield block, model, walks
        work.progress.advance()
    work.progress.done()


def _nodes_of(model: ir.Model, block: Block) -> list[ir.Node]:
    """The block in the integer model: its nodes with the Q and DQ between and in front of them."""
    nodes = list(model.graph)
    places = {node.name: place for place, node in enumerate(nodes)}
    producer = block.entry.producer()
    start = 0 if producer is None else places[producer.name] + 1
    return nodes[start : max(places[node.name] for node in block.nodes) + 1]


def _fit(
    state: State,
    block: Block,
    model: ir.Model,
    walks: tuple[Walk, Walk],
    given: Constants,
) -> bool:
    """Fit a block on four fifths of the samples; where it errs less on the rest, go on with what was found."""
    nodes, weights = _nodes_of(model, block), _weights(state, block)
    task = _task(state, block, model, nodes, weights)
    fitted, held = _parted(_batches(state, block, model, nodes, walks))
    if not held:
        return False
    integers = learn_rounding(task, fitted)
    before = block_error(task, held, [weight.constant.integers for weight in weights])
    if block_error(task, held, integers) >= before:
        return False
    inside = {node.name: node for node in nodes}
    for weight, q in zip(weights, integers, strict=True):
        node = inside[weight.layer]
        chosen = replace(weight.constant, integers=q.astype(weight.constant.integers.dtype))
        given[weight.layer, 1] = _in_model_layout(chosen)
        learnt = dequantize(chosen.integers, chosen.params)
        node.replace_input_with(1, new_constant(model.graph, f"{node.name}_learnt", learnt))
    return True


def _weights(state: State, block: Block) -> list[_Weight]:
    nodes = {node.name: node for node in state.model.graph}
    found = []
    for layer in block.layers:
        each, array = state.constants[layer, 1], constant(nodes[layer].inputs[1])
        assert array is not None
        found.append(_Weight(layer, each, (array.T if each.transposed else array).astype(np.float64)))
    return found


def _task(state: State, block: Block, model: ir.Model, nodes: Sequence[ir.Node], weights: Sequence[_Weight]) -> Task:
    inside = {node.name: node for node in nodes}
    rounded = []
    for weight in weights:
        value, params = inside[weight.layer].inputs[1], weight.constant.params
        assert value is not None
        scale = spread(params.scale, params, weight.real.shape)
        grid, integers = params.grid, weight.constant.integers
        rounded.append(Rounded(value.name or "", weight.real / scale, integers, scale, grid.qmin, grid.qmax))
    exits = {value.name or "": _counterpart(model, value) for value in block.exits}
    return Task(nodes, exits, rounded, _steps(state), _rows(state), state.work.seed)


def _batches(
    state: State, block: Block, model: ir.Model, nodes: Sequence[ir.Node], walks: tuple[Walk, Walk]
) -> list[Batch]:
    right, ours = (_tensors(each, part) for each, part in zip(walks, (block.nodes, nodes), strict=True))
    entry, exits = block.entry.name or "", [value.name or "" for value in block.exits]
    dtypes = {name: ir.DataType.from_numpy(array.dtype) for name, array in right[0].items()}
    session = Session(extract(state.reference, block.nodes, dtypes, exits), threads=state.work.threads)
    return [Batch(inputs, session.run(floats), len(floats[entry])) for inputs, floats in zip(ours, right, strict=True)]


def _tensors(walk: Walk, nodes: Sequence[ir.Node]) -> list[dict[str, NDArray[Any]]]:
    """What the nodes read and do not write, for each batch."""
    written = {value for node in nodes for value in node.outputs}
    read = dict.fromkeys(
        value.name or ""
        for node in nodes
        for value in node.inputs
        if value is not None and value not in written and constant(value) is None
    )
    columns = {name: walk.tensor(name) for name in read}
    count = len(next(iter(columns.values())))
    return [{name: arrays[i] for name, arrays in columns.items()} for i in range(count)]


def _parted(batches: Sequence[Batch]) -> tuple[list[Batch], list[Batch]]:
    """The samples to fit and those to judge, batches of the same shapes joined."""
    whole = _joined(batches)
    if len(whole) > 1:
        return [b for i, b in enumerate(whole) if i % _HELD_OUT], whole[::_HELD_OUT]
    rows = np.arange(whole[0].size)
    held = rows % _HELD_OUT == 0
    return ([_some(whole[0], rows[~held])], [_some(whole[0], rows[held])]) if held.sum() < len(rows) else (whole, [])


def _joined(batches: Sequence[Batch]) -> list[Batch]:
    """One batch of all, where every array counts samples and is otherwise of one shape; else as they are."""
    shapes = {tuple(array.shape[1:] for array in _arrays(batch)) for batch in batches}
    if len(shapes) > 1 or any(not a.ndim or len(a) != batch.size for batch in batches for a in _arrays(batch)):
        return list(batches)

    def together(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    inputs, wanted = together([b.inputs for b in batches]), together([b.wanted for b in batches])
    return [Batch(inputs, wanted, sum(batch.size for batch in batches))]


def _arrays(batch: Batch) -> list[NDArray[Any]]:
    return [*batch.inputs.values(), *batch.wanted.values()]


def _some(batch: Batch, rows: NDArray[np.intp]) -> Batch:
    inputs, wanted = ({name: a[rows] for name, a in part.items()} for part in (batch.inputs, batch.wanted))
    return Batch(inputs, wanted, len(rows))


def _in_model_layout(found: QuantizedConstant) -> QuantizedConstant:
    """As the model's own array lies, which is how a state is given its constants."""
    if not found.transposed:
        return found
    axis = None if found.params.axis is None else 1 - found.params.axis
    return QuantizedConstant(found.tensor, np.ascontiguousarray(found.integers.T), replace(found.params, axis=axis))


def _counterpart(model: ir.Model, value: ir.Value) -> str:
    """The name in the integer model of a float model's tensor; a graph output's own name goes to what DQ makes."""
    producer = value.producer()
    if producer is None:
        return value.name or ""
    node = next(node for node in model.graph if node.name == producer.name)
    return node.outputs[value.index() or 0].name or ""


RECONSTRUCT = Rung("reconstruct", "rounding learnt block by block (BRECQ)", reconstruct_blocks, forecast)
