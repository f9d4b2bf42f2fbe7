"""Round weights to minimize the error of their layer's output on calibration samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams, dequantize, spread
from octavo.graph.linear import Linear, linear
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.quantizer import State, derive
from octavo.recover.layers.im2col import row_limit
from octavo.recover.layers.rounding import Quadratic, best_integers, best_scales, descend, error, quadratic, refit
from octavo.recover.layers.visit import Visit, biased, visits
from octavo.recover.rung import Outcome, Rung, without_context
from octavo.recover.rungs.correct import corrected_bias

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_REFITS = 3
# One in this many rows is held out: it judges the result and is not fitted.
_HELD_OUT = 5
# float64 multiply-accumulates per second on a slow core.
_SPEED = 2e9
# Scales are chosen with the integers for grids of fewer bits than this.
_FIXED_SCALE_BITS = 7


def round_weights(state: State) -> Outcome:
    """Round by GPTQ and coordinate descent, with the inputs that each layer has in the quantized model."""
    constants: Constants = {}
    biases: dict[str, Floats] = {}
    count = 0
    for visit in visits(state, "round"):
        count += 1
        better = best_rounding(state, visit)
        if better is None:
            continue
        constant, bias = better
        constants[visit.name, 1] = constant
        if bias is not None:
            biases[visit.name] = bias
        visit.change(visit.linear.to_matrix(dequantize(constant.integers, constant.params)), bias)
    if not constants:
        return Outcome(state, f"no better rounding than to nearest for any of {count} layers")
    note = f"weights of {len(constants)} of {count} layers rounded to minimize the output error"
    corrected = derive(state.with_biases(biased(state.model, biases)))
    return Outcome(derive(corrected.with_constants(constants)), note)


def estimate_seconds(state: State) -> float:
    """An estimate of the seconds that `round_weights` takes, from the sizes of the weights."""
    views = [linear(node) for node in state.model.graph if node.name in state.plan.layers]
    return sum((_work(view) for view in views if view is not None), 0.0) / _SPEED


def _work(layer: Linear) -> float:
    """Multiply-accumulates to round a layer, about: those of its Gram matrix, its inverse, and the descent."""
    groups, outputs, inputs, taps = layer.weights.shape
    terms = float(inputs * taps)
    return float(groups * terms * terms * (2 * row_limit(layer) + terms + 6 * outputs))


def best_rounding(state: State, visit: Visit) -> tuple[QuantizedConstant, Floats | None] | None:
    """The integers and the bias of a layer; None where those of the state have the smaller error on held-out rows."""
    layer, name = visit.linear, visit.name
    before = state.constants[name, 1]
    is_held_out = np.arange(visit.x.shape[1]) % _HELD_OUT == 0
    if is_held_out.all():
        return None
    centered = layer.holds_shift
    weights = layer.matrix.astype(np.float64)
    # As in GPTQ, the weights of a MatMul do not compensate the error of its input, which in transformers is too large.
    x = visit.x if centered else visit.x_hat
    fitted = quadratic(weights, x[:, ~is_held_out], visit.x_hat[:, ~is_held_out], centered)
    params = before.params
    if before.transposed and params.axis is not None:
        params = replace(params, axis=1 - params.axis)
    integers = _integers(layer, params, fitted)
    current = layer.to_matrix(before.integers.T if before.transposed else before.integers)
    old_error, new_error = (
        _held_out(layer, x, visit.x_hat, q * _scales(p, layer), is_held_out) for q, p in ((current, params), integers)
    )
    if new_error >= old_error:
        return None
    q, new_params = integers
    constant = QuantizedConstant(before.tensor, layer.from_matrix(q).astype(new_params.grid.numpy_dtype), new_params)
    hat = (q * _scales(new_params, layer)).astype(np.float32)
    return constant, corrected_bias(layer, hat, visit.x, visit.x_hat)


def _integers(layer: Linear, params: QuantParams, target: Quadratic) -> tuple[Doubles, QuantParams]:
    grid, scale = params.grid, _scales(params, layer)
    terms = scale.shape[-1]
    # The groups of a ConvTranspose share their scales, so none can be fitted to one output channel.
    has_own_scales = params.axis is not None and layer.stored.shape[layer.output_axis] == layer.outputs
    narrow = grid.levels < 2**_FIXED_SCALE_BITS and has_own_scales
    if narrow:
        scale = best_scales(target.center, target.gram, scale, grid.qmin, grid.qmax, params.block_size or terms)
    q = best_integers(target, scale, grid.qmin, grid.qmax)
    for _ in range(_REFITS if narrow and params.block_size is None else 0):
        refitted = refit(target, q, scale)
        descended = descend(target, q, refitted, grid.qmin, grid.qmax)
        if error(target, descended, refitted) >= error(target, q, scale):
            break
        q, scale = descended, refitted
    return q, params if not has_own_scales else replace(params, scale=_stored(layer, params, scale))


def _scales(params: QuantParams, layer: Linear) -> Doubles:
    """The scale of every weight, (groups, channels, terms)."""
    shape = layer.stored.shape
    scales = np.broadcast_to(spread(params.scale.astype(np.float64), params, shape), shape)
    return layer.to_matrix(scales)


def _stored(layer: Linear, params: QuantParams, scale: Doubles) -> Floats:
    """Scales in the shape that `params` has them."""
    if params.block_size is None:
        return scale[..., 0].reshape(-1).astype(np.float32)
    firsts = layer.from_matrix(scale)
    axis = (params.axis or 0) % firsts.ndim
    return np.take(firsts, np.arange(0, firsts.shape[axis], params.block_size), axis=axis).astype(np.float32)


def _held_out(layer: Linear, x: Floats, x_hat: Floats, weights: Doubles, is_held_out: NDArray[np.bool_]) -> float:
    """Squared error of the output on held-out rows, with the bias corrected on the others."""
    difference = x_hat @ weights.astype(np.float32).transpose(0, 2, 1) - x @ layer.matrix.transpose(0, 2, 1)
    if layer.holds_shift:
        difference = difference - difference[:, ~is_held_out].mean(axis=1, keepdims=True)
    return float(np.square(difference[:, is_held_out]).sum(dtype=np.float64))


ROUND = Rung(
    "round",
    "rounding by layer output error (GPTQ, coordinate descent)",
    without_context(round_weights),
    visits_layers=True,
    estimate_seconds=estimate_seconds,
)
