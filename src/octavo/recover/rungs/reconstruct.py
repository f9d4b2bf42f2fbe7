"""Block reconstruction (BRECQ): learn the rounding of a block's weights from the error of its output."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

import octavo.torch
from octavo.affine import dequantize
from octavo.graph.constants import new_constant
from octavo.graph.linear import linear
from octavo.graph.weights import Constants
from octavo.quantizer import State, derive
from octavo.recover.layers.block_task import block_batches, block_task, importances, nodes_of, to_stored_layout
from octavo.recover.layers.blocks import Block, blocks
from octavo.recover.layers.sensitivity import macs, output_elements
from octavo.recover.layers.visit import biased, visit
from octavo.recover.layers.walk import Walk, calibration_batches
from octavo.recover.rung import Outcome, Rung, without_context
from octavo.recover.rungs.round import best_rounding
from octavo.recover.rungs.round import estimate_seconds as estimate_rounding_seconds

_STEPS, _LEAST_STEPS = 1000, 100
_ROWS, _LEAST_ROWS = 32, 4
# The work of all steps together, in multiply-accumulates of the forward pass: larger networks get fewer samples per
# step, then fewer steps.
_WORK = 1.25e12
# Multiply-accumulates that take as long as the other work on one output element.
_PER_ELEMENT = 30.0
# Multiply-accumulates per second on a slow core, forward and backward.
_SPEED = 3e9
# Seconds of a step without those of linear operators.
_STEP = 0.004


def reconstruct(state: State) -> Outcome:
    """Reconstruct block after block, with the inputs that each has in the quantized model.

    The layers of a block are first rounded one by one, as by `round`. The learned rounding is kept where its error
    on held-out samples is smaller.
    """
    if find_spec("torch") is None:
        return Outcome(state, "PyTorch is not installed; run pip install 'octavo[torch]'")
    task = _Reconstruction(state)
    state.settings.progress.start("reconstruct", len(task.blocks))
    for block in task.blocks:
        task.reconstruct(block)
        state.settings.progress.advance()
    state.settings.progress.done()
    return task.outcome()


def estimate_seconds(state: State) -> float:
    """An estimate of the seconds that `reconstruct` takes, from the size of the model."""
    work = _work(state)
    steps, rows = _effort(work)
    return estimate_rounding_seconds(state) + steps * (rows * work / _SPEED + len(_blocks(state)) * _STEP)


class _Reconstruction:
    """The quantized model with the rounding of the blocks that are done."""

    def __init__(self, state: State) -> None:
        self.state, self.blocks = state, _blocks(state)
        self.model = state.quantized.clone()
        batches = calibration_batches(state.settings.samples, state.reference, state.settings.threads)
        threads = state.settings.threads
        self.walks = Walk(state.reference, batches, threads), Walk(self.model, batches, threads)
        self.weights = importances(state, self.blocks)
        self.floats = {node.name: node for node in state.reference.graph}
        self.nodes = {node.name: node for node in self.model.graph}
        self.steps, self.rows = _effort(_work(state))
        self.constants: Constants = {}
        self.biases: dict[str, NDArray[np.float32]] = {}
        self.learned = 0
        self.unknown: set[str] = set()

    def reconstruct(self, block: Block) -> None:
        """Round the layers of the next block one by one, then learn their rounding together."""
        inside = nodes_of(self.model, block)
        self.walks[0].until(block.nodes[0].name or "")
        self.walks[1].until(inside[0].name or "")
        self._round(block)
        unknown = octavo.torch.untranslatable(inside)
        self.unknown |= set(unknown)
        if not unknown:
            self._learn(block)

    def outcome(self) -> Outcome:
        """The new state, and how many blocks were learned."""
        count = f"{self.learned} of {len(self.blocks)} blocks"
        reason = f"; not translated to PyTorch: {', '.join(sorted(self.unknown))}" if self.unknown else ""
        if not self.constants:
            return Outcome(self.state, f"no better rounding than to nearest for any block{reason}")
        corrected = derive(self.state.with_biases(biased(self.state.model, self.biases)))
        state = derive(corrected.with_constants(self.constants))
        others = ", layer by layer for the others" if self.learned < len(self.blocks) else ""
        return Outcome(state, f"rounding learned for {count}{others}{reason}")

    def _round(self, block: Block) -> None:
        """Round layer by layer, on forks of the walks: `_learn` runs the block again."""
        floats, integers = (walk.fork() for walk in self.walks)
        for name in block.layers:
            node = self.nodes[name]
            visited = visit(self.floats[name], node, floats, integers, self.model, self.state.settings.seed)
            better = best_rounding(self.state, visited)
            if better is None:
                continue
            self.constants[name, 1], bias = better
            visited.change(visited.linear.to_matrix(dequantize(better[0].integers, better[0].params)), bias)
            if bias is not None:
                self.biases[name] = bias

    def _learn(self, block: Block) -> None:
        constants = {
            name: self.constants.get((name, 1)) or self.state.constants[name, 1].as_in_model() for name in block.layers
        }
        task = block_task(self.state, block, self.model, constants, self.steps, self.rows)
        fitted, held_out = block_batches(self.state, block, self.model, self.walks, self.weights)
        if not held_out:
            return
        before = [weight.integers for weight in task.weights]
        first = octavo.torch.corrected_biases(task, fitted, before)
        learned = octavo.torch.learn_rounding(task, fitted, first)
        second = octavo.torch.corrected_biases(task, fitted, learned)
        error_before = octavo.torch.block_error(task, held_out, before, first)
        is_better = octavo.torch.block_error(task, held_out, learned, second) < error_before
        self.learned += is_better
        chosen = learned if is_better else before
        for name, q in zip(block.layers, chosen, strict=True):
            constant = constants[name]
            integers = np.ascontiguousarray(to_stored_layout(self.state, name, q)).astype(constant.integers.dtype)
            self.constants[name, 1] = replace(constant, integers=integers)
            self._replace(name, 1, to_stored_layout(self.state, name, dequantize(integers, constant.params)))
        final = octavo.torch.corrected_biases(task, [*fitted, *held_out], chosen)
        for bias in task.biases:
            self.biases[bias.layer] = final[bias.tensor]
            self._replace(bias.layer, 2, final[bias.tensor])

    def _replace(self, name: str, index: int, array: NDArray[np.float32]) -> None:
        value = new_constant(self.model.graph, f"{name}_learnt_{index}", np.ascontiguousarray(array))
        self.nodes[name].replace_input_with(index, value)


def _blocks(state: State) -> list[Block]:
    nodes = {node.name: node for node in state.reference.graph}
    layers = [layer for layer in state.plan.layers.values() if linear(nodes[layer.name]) is not None]
    return blocks(state.reference, [layer.name for layer in layers])


def _work(state: State) -> float:
    """The work for one sample, in multiply-accumulates."""
    return sum(macs(state).values()) + _PER_ELEMENT * output_elements(state)


def _effort(work: float) -> tuple[int, int]:
    """Steps and samples per step, for the work of one sample."""
    rows = int(np.clip(_WORK / (work * _STEPS), _LEAST_ROWS, _ROWS))
    return int(np.clip(_WORK / (work * rows), _LEAST_STEPS, _STEPS)), rows


RECONSTRUCT = Rung(
    "reconstruct",
    "rounding learned block by block (BRECQ)",
    without_context(reconstruct),
    visits_layers=True,
    estimate_seconds=estimate_seconds,
)
