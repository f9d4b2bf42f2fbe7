"""Block reconstruction: learn how the weights of a block are rounded from the error of its output (BRECQ)."""

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
from octavo.recover.layers.block_task import block_batches, block_task, importances, nodes_of, turned
from octavo.recover.layers.blocks import Block, blocks
from octavo.recover.layers.sensitivity import macs, numbers
from octavo.recover.layers.visit import biased, visit
from octavo.recover.layers.walk import Walk, calibration_batches
from octavo.recover.rung import Outcome, Rung, without_context
from octavo.recover.rungs.round import best_rounding
from octavo.recover.rungs.round import estimate_seconds as estimate_rounding_seconds

_STEPS, _LEAST_STEPS = 1000, 100
_ROWS, _LEAST_ROWS = 32, 4
# What all steps together may take, in multiply-accumulates forwards: larger networks get fewer samples a step,
# which have more places each, and then fewer steps.
_WORK = 1.25e12
# So many multiply-accumulates take as long as all that is done to one number that a product writes.
_A_NUMBER = 30.0
# Multiply-accumulates a second of a slow core, forwards and backwards.
_SPEED = 3e9
# Seconds of a step that no product takes.
_STEP = 0.004


def reconstruct(state: State) -> Outcome:
    """Block after block, each with the inputs that it has in the integer model so far.

    The layers of a block are first rounded one by one, as `round` does; where learning how they are rounded
    together errs less on samples that were not fitted, that is kept.
    """
    if find_spec("torch") is None:
        return Outcome(state, "PyTorch is not installed; pip install 'octavo[torch]' brings it")
    task = _Reconstruction(state)
    state.settings.progress.start("reconstruct", len(task.blocks))
    for block in task.blocks:
        task.go_on(block)
        state.settings.progress.advance()
    state.settings.progress.done()
    return task.outcome()


def estimate_seconds(state: State) -> float:
    """Seconds that `reconstruct` takes, from the sizes of the model."""
    each = _work(state)
    steps, rows = _effort(each)
    return estimate_rounding_seconds(state) + steps * (rows * each / _SPEED + len(_blocks(state)) * _STEP)


class _Reconstruction:
    """The integer model on its way, with what was chosen for the blocks that lie behind."""

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
        self.given: Constants = {}
        self.biases: dict[str, NDArray[np.float32]] = {}
        self.learnt = 0
        self.unknown: set[str] = set()

    def go_on(self, block: Block) -> None:
        """Round a block's layers, then learn it as a whole."""
        inside = nodes_of(self.model, block)
        self.walks[0].until(block.nodes[0].name or "")
        self.walks[1].until(inside[0].name or "")
        self._round(block)
        unknown = octavo.torch.untranslatable(inside)
        self.unknown |= set(unknown)
        if not unknown:
            self._learn(block)

    def outcome(self) -> Outcome:
        """The state that was found."""
        count = f"{self.learnt} of {len(self.blocks)} blocks"
        why = f"; {', '.join(sorted(self.unknown))} cannot be learnt through" if self.unknown else ""
        if not self.given:
            return Outcome(self.state, f"no block errs less than with nearest rounding{why}")
        corrected = derive(self.state.with_biases(biased(self.state.model, self.biases)))
        found = derive(corrected.with_constants(self.given))
        others = ", layer by layer for the others" if self.learnt < len(self.blocks) else ""
        return Outcome(found, f"rounding learnt for {count}{others}{why}")

    def _round(self, block: Block) -> None:
        """Layer by layer, on walks of their own: the block may be gone through again."""
        floats, integers = (walk.fork() for walk in self.walks)
        for name in block.layers:
            layer, node = self.state.plan.layers[name], self.nodes[name]
            here = visit(layer, self.floats[name], node, floats, integers, self.model, self.state.settings.seed)
            found = best_rounding(self.state, here)
            if found is None:
                continue
            self.given[name, 1], bias = found
            here.change(here.linear.to_matrix(dequantize(found[0].integers, found[0].params)), bias)
            if bias is not None:
                self.biases[name] = bias

    def _learn(self, block: Block) -> None:
        constants = {
            name: self.given.get((name, 1)) or self.state.constants[name, 1].as_in_model() for name in block.layers
        }
        task = block_task(self.state, block, self.model, constants, self.steps, self.rows)
        fitted, held = block_batches(self.state, block, self.model, self.walks, self.weights)
        if not held:
            return
        before = [weight.integers for weight in task.weights]
        first = octavo.torch.corrected_biases(task, fitted, before)
        learnt = octavo.torch.learn_rounding(task, fitted, first)
        second = octavo.torch.corrected_biases(task, fitted, learnt)
        better = octavo.torch.block_error(task, held, learnt, second) < octavo.torch.block_error(
            task, held, before, first
        )
        self.learnt += better
        chosen = learnt if better else before
        for name, q in zip(block.layers, chosen, strict=True):
            found = constants[name]
            integers = np.ascontiguousarray(turned(self.state, name, q)).astype(found.integers.dtype)
            self.given[name, 1] = replace(found, integers=integers)
            self._stand_in(name, 1, turned(self.state, name, dequantize(integers, found.params)))
        final = octavo.torch.corrected_biases(task, [*fitted, *held], chosen)
        for bias in task.biases:
            self.biases[bias.layer] = final[bias.tensor]
            self._stand_in(bias.layer, 2, final[bias.tensor])

    def _stand_in(self, name: str, index: int, array: NDArray[np.float32]) -> None:
        value = new_constant(self.model.graph, f"{name}_learnt_{index}", np.ascontiguousarray(array))
        self.nodes[name].replace_input_with(index, value)


def _blocks(state: State) -> list[Block]:
    nodes = {node.name: node for node in state.reference.graph}
    layers = [layer for layer in state.plan.layers.values() if linear(nodes[layer.name]) is not None]
    return blocks(state.reference, [each.name for each in layers])


def _work(state: State) -> float:
    """What one sample takes, in multiply-accumulates."""
    return sum(macs(state).values()) + _A_NUMBER * numbers(state)


def _effort(each: float) -> tuple[int, int]:
    """Steps and samples a step where one sample takes so much."""
    rows = int(np.clip(_WORK / (each * _STEPS), _LEAST_ROWS, _ROWS))
    return int(np.clip(_WORK / (each * rows), _LEAST_STEPS, _STEPS)), rows


RECONSTRUCT = Rung(
    "reconstruct",
    "rounding learnt block by block (BRECQ)",
    without_context(reconstruct),
    visits_layers=True,
    estimate_seconds=estimate_seconds,
)
