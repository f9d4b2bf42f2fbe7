"""Train with the grids in the forward pass, the float model as teacher: the last resort."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

import octavo.torch
from octavo.graph.operators import is_depthwise
from octavo.quantizer import State, derive
from octavo.recover.context import NO_CONTEXT, LadderContext
from octavo.recover.layers.sensitivity import macs, numbers, own_errors, shares
from octavo.recover.rung import Outcome, Rung

# What all steps together may take, in multiply-accumulates forwards, and how many and how large they are.
_WORK = 1.5e12
_STEPS, _LEAST_STEPS = 3000, 300
_ROWS, _LEAST_ROWS = 32, 8
# So many multiply-accumulates take as long as all that is done to one number that a product writes.
_A_NUMBER = 100.0
# Of the samples, what is held out.
_HELD_OUT = 1 / 8
_FEW_MINUTES = 300.0
# Layers named as those that training is for: the fewest that make up so much of the error.
_MOST_OF_IT, _NAMED = 0.5, 3


def train(state: State, context: LadderContext = NO_CONTEXT) -> Outcome:
    """Weights, biases, scales and zero points learnt until the outputs are nearest to the float model's.

    It sees the calibration samples and no labels; how far it goes is decided on an eighth of them.
    """
    why = _obstacle(state)
    if why is not None:
        return Outcome(state, why)
    settings, network = state.settings, octavo.torch.trainable(state)
    epochs, rows = _effort(state)
    found = octavo.torch.finetune(
        network,
        settings.samples,
        epochs=epochs,
        batch_size=rows,
        checkpoint=context.training_checkpoint,
        seed=settings.seed,
        threads=settings.threads,
        progress=settings.progress,
    )
    details = {"epochs": found.epochs, "best": found.best, "agreement_db": found.agreement_db}
    if not found.best:
        return Outcome(state, f"after {found.epochs} epochs it agrees less with the float model than before", details)
    learnt = network.learned()
    trained = derive(state.with_training(learnt.model, learnt.activations, learnt.weights))
    first, best = found.agreement_db[0], found.agreement_db[found.best]
    note = (
        f"trained for {found.epochs} epochs, {first:.1f} to {best:.1f} dB on samples held out; for {needed_by(state)}"
    )
    return Outcome(trained, note, details)


def estimate_seconds(state: State) -> float:
    """Seconds that `train` takes, from steps timed here."""
    if _obstacle(state) is not None:
        return 0.0
    epochs, rows = _effort(state)
    return epochs * octavo.torch.epoch_seconds(
        octavo.torch.trainable(state), state.settings.samples, rows, state.settings.seed, state.settings.threads
    )


def needed_by(state: State) -> str:
    """The layers that make up most of the error, each with what it is."""
    errors = own_errors(state)
    total, nodes = 0.0, {node.name: node for node in state.model.graph}
    named: list[str] = []
    for name, share in sorted(shares(errors).items(), key=lambda item: -item[1]):
        what = f"depthwise {nodes[name].op_type}" if is_depthwise(nodes[name]) else nodes[name].op_type
        named.append(f"'{name}' ({what}, {share:.0%} of the error)")
        total += share
        if total >= _MOST_OF_IT or len(named) == _NAMED:
            break
    return ", ".join(named) or "no layer in particular"


def _obstacle(state: State) -> str | None:
    """Why there is nothing to train, or None."""
    if find_spec("torch") is None:
        return "PyTorch is not installed; pip install 'octavo[torch]' brings it"
    unknown = octavo.torch.untranslatable(list(state.quantized.graph))
    return f"{', '.join(unknown)} cannot be trained through" if unknown else None


def _effort(state: State) -> tuple[int, int]:
    """Epochs, and samples a step: larger networks get fewer of both."""
    each = sum(macs(state).values()) + _A_NUMBER * numbers(state)
    rows = int(np.clip(_WORK / (each * _STEPS), _LEAST_ROWS, _ROWS))
    steps = float(np.clip(_WORK / (each * rows), _LEAST_STEPS, _STEPS))
    samples = state.settings.samples.length or state.calibration.samples
    return max(round(steps * rows / (samples * (1 - _HELD_OUT))), 1), rows


TRAIN = Rung(
    "train",
    "training with the grids in the forward pass",
    train,
    estimate_seconds=estimate_seconds,
    training_limit_seconds=_FEW_MINUTES,
    reason=needed_by,
)
