"""Bias correction in one step: each layer's own mean error, for float inputs (Nagel et al. 2019, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from octavo.affine import fake_quantize
from octavo.quantizer import State, derive
from octavo.recover.layers.im2col import integer_matrix
from octavo.recover.layers.visit import biased
from octavo.recover.refinements.rows import LayerRows
from octavo.recover.rungs.correct import corrected_bias

Floats = NDArray[np.float32]


def corrected(state: State, layers: Sequence[LayerRows]) -> State | None:
    """The state with biases that cancel the mean error of rounding each layer's input and weights.

    Errors of earlier layers are left to those layers' own biases, so that one run of the float model is enough for
    all; the rung `correct` visits layer after layer instead. None where no layer has a bias.
    """
    biases: dict[str, Floats] = {}
    for each in layers:
        if not each.linear.takes_bias:
            continue
        name, rows = each.layer.inputs.get(0), each.together
        rounded = rows if name is None else fake_quantize(rows, state.activations[name])
        weights = integer_matrix(each.linear, state.constants[each.layer.name, 1]).astype(np.float32)
        bias = corrected_bias(each.linear, weights, rows, rounded)
        if bias is not None:
            biases[each.layer.name] = bias
    if not biases:
        return None
    done = derive(state.with_biases(biased(state.model, biases)))
    note = f"biases of {len(biases)} layers corrected"
    decisions = replace(done.decisions, refinements={**done.decisions.refinements, "correct": note})
    return replace(done, decisions=decisions)
