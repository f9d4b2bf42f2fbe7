"""What was decided and measured of each layer, and of each tensor on a grid."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.affine import QuantParams
from octavo.graph.constants import constant
from octavo.graph.plan import Plan
from octavo.graph.weights import Constants, QuantizedConstant
from octavo.measure import TensorError
from octavo.measure.distribution import (
    Channels,
    Histogram,
    channels,
    channels_of,
    of_integers,
    of_observer,
    rounding_sqnr_db,
)
from octavo.ranges import RangeSketch
from octavo.recover import State

# What stands in the place of an estimator where a range was learnt.
_TRAINED = "trained"


@dataclass
class TensorReport:
    """One tensor on its grid: `scale` and `zero_point` hold one number, or one a channel along `axis`."""

    tensor: str
    grid: str
    scale: list[float]
    zero_point: list[int]
    axis: int | None
    estimator: str


@dataclass
class LayerReport:
    """One integer layer: its result on its grid, its operands, and its error on held-out samples.

    `grid`, `scale`, `zero_point` and `estimator` are those of the layer's output, or of its first
    input when the layer writes floats. `sqnr_db` is the signal-to-quantization-noise ratio of the
    layer's result against the float model, in decibels; `share` is the layer's own part of the output's
    error, from 0 to 1; `native_ms` are the milliseconds of its operators in a run of the native runtime. They are None
    when they were not measured.
    """

    name: str
    op: str
    grid: str
    scale: list[float]
    zero_point: list[int]
    estimator: str
    sqnr_db: float | None
    cosine: float | None
    output: TensorReport | None
    inputs: list[TensorReport]
    weights: list[TensorReport]
    fused: list[str]
    share: float | None = None
    native_ms: float | None = None


@dataclass
class TensorValues:
    """The values of one tensor on a grid, in the float model.

    Attributes:
        kind: "activation" or "weights".
        low, high: the smallest and largest value; of an activation over the calibration samples. None where
            the estimator keeps none.
        range: the ends that scale and zero point were derived from, of the widest channel where each has its
            own; None where they were learnt, or stand for blocks.
        channel: that channel; None where one scale holds for all.
        symmetric: whether the zero point is fixed at the grid's middle.
        histogram: how the values are spread; None where the estimator keeps none.
        own_sqnr_db: signal-to-quantization-noise ratio, in decibels, of the tensor on its own grid alone; of an
            activation over the samples that were compared, None where there were none.
        sqnr_db: the same with all that came in from the layers before; None for weights.
        clipped: share of the values beyond the grid's ends, from 0 to 1, over the samples that were compared.
        channels: ends of each channel, of an activation by magnitude; None where there are no channels.
    """

    kind: str
    low: float | None
    high: float | None
    range: list[float] | None
    channel: int | None
    symmetric: bool
    histogram: Histogram | None
    own_sqnr_db: float | None
    sqnr_db: float | None
    clipped: float | None
    channels: Channels | None


def layer_reports(
    plan: Plan,
    activations: Mapping[str, QuantParams],
    constants: Constants,
    errors: Mapping[str, TensorError],
    shares: Mapping[str, float] | None = None,
    trained: Container[str] = (),
    native_ms: Mapping[str, float] | None = None,
) -> list[LayerReport]:
    """One report for each layer of a plan, in graph order."""

    def activation(name: str) -> TensorReport:
        tensor = plan.tensors[name]
        return _tensor_report(name, activations[name], _TRAINED if tensor.source in trained else tensor.estimator)

    reports: list[LayerReport] = []
    for layer in plan.layers.values():
        weights = [
            _tensor_report(found.tensor, found.params, "minmax")
            for (name, _), found in constants.items()
            if name == layer.name
        ]
        inputs = [activation(name) for name in layer.inputs.values()]
        output = activation(layer.output) if layer.output is not None else None
        main = output or next(iter([*inputs, *weights]))
        error = errors.get(layer.result)
        reports.append(
            LayerReport(
                name=layer.name,
                op=layer.op,
                grid=main.grid,
                scale=main.scale,
                zero_point=main.zero_point,
                estimator=main.estimator,
                sqnr_db=None if error is None else error.sqnr_db,
                cosine=None if error is None else error.cosine,
                output=output,
                inputs=inputs,
                weights=weights,
                fused=list(layer.fused),
                share=(shares or {}).get(layer.name),
                native_ms=(native_ms or {}).get(layer.name),
            )
        )
    return reports


def tensor_values(state: State, errors: Mapping[str, TensorError]) -> dict[str, TensorValues]:
    """The values of every tensor that a state puts on a grid; int32 biases are left out.

    Args:
        state: a quantization.
        errors: of its activations, as far as they were measured.
    """
    found = {name: _activation(state, name, errors.get(name)) for name in state.plan.tensors}
    for layer in state.plan.layers.values():
        for weight in layer.weights:
            stored = state.constants[layer.name, weight.index].as_in_model()
            array = constant(state.model.graph.initializers.get(stored.tensor))
            if array is not None and array.size and stored.tensor not in found:
                symmetric = layer.role != "carry" or state.plan.target.activations.symmetric
                found[stored.tensor] = _weights(np.asarray(array, np.float32), stored, symmetric)
    return found


def _activation(state: State, name: str, error: TensorError | None) -> TensorValues:
    tensor, params = state.plan.tensors[name], state.activations[name]
    observer = state.calibration.observers.get(tensor.source)
    ends = (observer.min, observer.max) if isinstance(observer, RangeSketch) else (None, None)
    chosen = state.ranges.get(tensor.source)
    magnitudes = None if error is None or error.channel_ranges.size == 0 else error.channel_ranges
    return TensorValues(
        kind="activation",
        low=ends[0],
        high=ends[1],
        range=None if chosen is None else [float(end) for end in chosen],
        channel=None,
        symmetric=tensor.symmetric,
        histogram=None if observer is None else of_observer(observer, params),
        own_sqnr_db=None if error is None else error.own_sqnr_db,
        sqnr_db=None if error is None else error.sqnr_db,
        clipped=None if error is None else error.clipped,
        channels=None if magnitudes is None else channels(np.zeros_like(magnitudes), magnitudes),
    )


def _weights(array: NDArray[np.float32], stored: QuantizedConstant, symmetric: bool) -> TensorValues:
    params = stored.params
    axis = params.axis if params.block_size is None else None
    widest = None if axis is None else int(np.argmax(np.abs(array).max(axis=_others(array, axis))))
    derived = array if axis is None or widest is None else array.take(widest, axis)
    return TensorValues(
        kind="weights",
        low=float(array.min()),
        high=float(array.max()),
        range=None if params.block_size else [float(derived.min()), float(derived.max())],
        channel=widest,
        symmetric=symmetric,
        histogram=of_integers(stored.integers, params),
        own_sqnr_db=rounding_sqnr_db(array, stored.integers, params),
        sqnr_db=None,
        clipped=None,
        channels=None if axis is None else channels_of(array, axis),
    )


def _others(array: NDArray[np.float32], axis: int) -> tuple[int, ...]:
    return tuple(i for i in range(array.ndim) if i != axis % array.ndim)


def _tensor_report(name: str, params: QuantParams, chosen_by: str) -> TensorReport:
    scale, zero_point = params.scale.reshape(-1), params.zero_point.reshape(-1)
    return TensorReport(
        name, str(params.grid), [float(s) for s in scale], [int(z) for z in zero_point], params.axis, chosen_by
    )
