"""Bias correction: remove the mean error of each output channel (Nagel et al. 2019, section 4.2)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from octavo.graph.linear import Linear
from octavo.quantizer import State, derive
from octavo.recover.layers.bias_correction import CORRECT as REFINED
from octavo.recover.layers.im2col import integer_matrix
from octavo.recover.layers.visit import Visit, biased, visits
from octavo.recover.rung import Outcome, Rung, without_context

Floats = NDArray[np.float32]


def correct(state: State) -> Outcome:
    """Correct biases with the inputs that each layer has in the quantized model, after correction of earlier layers.

    Layers that stay in float read the mean errors of quantized ones, and are corrected too.
    """
    biases: dict[str, Floats] = {}
    for visit in visits(state, "correct", floats=True):
        planned = visit.name in state.plan.layers
        weights = _integer_weights(state, visit) if planned else visit.linear.matrix
        bias = corrected_bias(visit.linear, weights, visit.x, visit.x_hat)
        if bias is not None and (planned or not np.array_equal(visit.x, visit.x_hat)):
            biases[visit.name] = bias
            visit.change(weights, bias)
    return _outcome(state, biases, "by the mean error of their output channels")


def correct_analytic(state: State) -> Outcome:
    """Correct biases from the error of the weights and the mean of the float input alone: b - (W^ - W) E[x]."""
    biases: dict[str, Floats] = {}
    for visit in visits(state, "correct"):
        bias = corrected_bias(visit.linear, _integer_weights(state, visit), visit.x, visit.x)
        if bias is not None:
            biases[visit.name] = bias
    return _outcome(state, biases, "by the mean error of their weights")


def corrected_bias(layer: Linear, weights: Floats, x: Floats, x_hat: Floats) -> Floats | None:
    """b + W E[x] - W^ E[x^], shape (channels,).

    None for a MatMul, which has no bias, and where the bias is computed or scaled.

    Args:
        layer: the layer in the float model.
        weights: W^, (groups, channels, terms).
        x: rows of its input, (groups, rows, terms).
        x_hat: the same rows in the quantized model.
    """
    if not layer.holds_shift:
        return None
    means = (rows.mean(axis=1, dtype=np.float64)[..., None] for rows in (x, x_hat))
    expected, actual = (
        kernel.astype(np.float64) @ mean for kernel, mean in zip((layer.matrix, weights), means, strict=True)
    )
    bias = layer.bias
    shift: Floats = (expected - actual).reshape(-1).astype(np.float32)
    return shift if bias is None else bias + shift


def _integer_weights(state: State, visit: Visit) -> Floats:
    return integer_matrix(visit.linear, state.constants[visit.name, 1]).astype(np.float32)


def _outcome(state: State, biases: dict[str, Floats], how: str) -> Outcome:
    if not biases:
        return Outcome(state, "no quantized layer has a bias")
    # These biases replace those of the refinement, which later rungs would correct anew.
    refinements = {name: note for name, note in state.decisions.refinements.items() if name != REFINED}
    draft = state.with_decisions(replace(state.decisions, refinements=refinements), biased(state.reference, biases))
    return Outcome(derive(draft), f"biases of {len(biases)} layers corrected {how}")


CORRECT = Rung("correct", "bias correction", without_context(correct), visits_layers=True)
CORRECT_ANALYTIC = Rung(
    "correct:analytic",
    "bias correction from the weights' error alone",
    without_context(correct_analytic),
    visits_layers=True,
)
