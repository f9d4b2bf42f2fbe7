"""Bias correction in one step: each layer's own mean error, for float inputs (Nagel et al. 2019, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, fake_quantize
from octavo.quantizer import State, derive
from octavo.recover.layers.capture import Captured, capture
from octavo.recover.layers.few import few
from octavo.recover.layers.im2col import integer_matrix
from octavo.recover.layers.visit import biased

# The name of the refinement in decisions and recipes.
CORRECT = "correct"

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class BiasCorrection:
    """Biases that cancel the mean error of rounding each layer's input and weights: b + W E[x] - W^ E[x^].

    Errors of earlier layers are left to those layers' own biases, so that one pass of the float model is enough for
    all; the rung `correct` visits layer after layer instead.

    Args:
        state: the quantization, for its plan and integer weights.
        captured: what the layers read in the float model.
    """

    def __init__(self, state: State, captured: Mapping[str, Captured]) -> None:
        self._layers = [
            _Layer(state, name, seen) for name, seen in captured.items() if _is_correctable(state, name, seen)
        ]

    def biases(self, activations: Mapping[str, QuantParams]) -> dict[str, Floats]:
        """The corrected biases, (channels,) by layer, for these parameters of the activations."""
        return {layer.name: layer.bias(activations) for layer in self._layers}

    def uncorrected(self) -> dict[str, Floats]:
        """The biases of the float model."""
        return {layer.name: layer.uncorrected for layer in self._layers}


class _Layer:
    def __init__(self, state: State, name: str, seen: Captured) -> None:
        bias = seen.linear.bias
        self.name, self._rows = name, seen.rows
        self.uncorrected = np.zeros(seen.linear.outputs, np.float32) if bias is None else bias
        self._reads = state.plan.layers[name].inputs.get(0)
        self._weights = integer_matrix(seen.linear, state.constants[name, 1]).astype(np.float64)
        self._expected = seen.linear.matrix.astype(np.float64) @ _mean(seen.rows)
        self._known: dict[tuple[bytes, bytes], Floats] = {}

    def bias(self, activations: Mapping[str, QuantParams]) -> Floats:
        if self._reads is None:
            return self._corrected(self._rows)
        params = activations[self._reads]
        key = (params.scale.tobytes(), params.zero_point.tobytes())
        if key not in self._known:
            self._known[key] = self._corrected(fake_quantize(self._rows, params))
        return self._known[key]

    def _corrected(self, rounded: Floats) -> Floats:
        shift = (self._expected - self._weights @ _mean(rounded)).reshape(-1)
        return np.asarray(self.uncorrected + shift.astype(np.float32))


def corrected(state: State, correction: BiasCorrection) -> State:
    """The state with corrected biases; the same state where no layer has a bias."""
    biases = correction.biases(state.activations)
    if not biases:
        return state
    done = derive(state.with_biases(biased(state.model, biases)))
    note = f"biases of {len(biases)} layer{'s' * (len(biases) > 1)} corrected"
    return replace(done, decisions=replace(done.decisions, refinements={**done.decisions.refinements, CORRECT: note}))


def recorrected(state: State) -> State:
    """The state with biases corrected anew, where a refinement corrected them for other ranges or weights."""
    taken = few(state.settings.samples)[1] if CORRECT in state.decisions.refinements else None
    if taken is None:
        return state
    return corrected(state, BiasCorrection(state, capture(state.reference, state.settings, taken.fit)))


def _is_correctable(state: State, name: str, seen: Captured) -> bool:
    layer, view = state.plan.layers.get(name), seen.linear
    return bool(layer and layer.weights) and view.holds_shift


def _mean(rows: Floats) -> Doubles:
    """The mean row as columns, (groups, terms, 1)."""
    return np.asarray(rows.mean(axis=1, dtype=np.float64)[..., None])
