"""Reports of each integer layer and each quantized tensor."""

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
from octavo.quantizer import State
from octavo.ranges import RangeSketch

# The estimator of a tensor whose range was learned in training.
_TRAINED = "trained"


@dataclass(frozen=True)
class TensorReport:
    """Parameters of a quantized tensor; `scale` and `zero_point` have one element, or one per channel along `axis`."""

    tensor: str
    grid: str
    scale: list[float]
    zero_point: list[int]
    axis: int | None
    estimator: str


@dataclass(frozen=True)
class LayerReport:
    """An integer layer: parameters of its output and operands, and its measured error.

    Attributes:
        name: name of the node.
        op: operator type.
        grid, scale, zero_point, estimator: those of the output, or of the first input where the layer writes floats.
        sqnr_db: signal-to-quantization-noise ratio of the output against the float model, in dB; None where it was
            not measured.
        cosine: cosine similarity of the output to the float model's; None where it was not measured.
        output: parameters of the output; None where the layer writes floats.
        inputs: parameters of the quantized inputs.
        weights: parameters of the constants.
        fused: names of the nodes fused into the layer.
        share: the layer's own part of the error of the model's outputs, from 0 to 1; None where it was not measured.
        native_ms: milliseconds of its operators in a run of the native runtime; None where it was not measured.
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


@dataclass(frozen=True)
class TensorValues:
    """The distribution of a quantized tensor's values in the float model.

    Attributes:
        kind: "activation" or "weights".
        low, high: smallest and largest value; of an activation over the calibration samples, None where its observer
            does not record them.
        range: the range that scale and zero point were derived from, of the widest channel with scales per channel;
            None where they were learned, or weights are in blocks.
        channel: the widest channel; None with one scale per tensor.
        symmetric: whether the zero point is fixed at the grid's middle.
        histogram: histogram of the values; None where the observer keeps none.
        own_sqnr_db: signal-to-quantization-noise ratio, in dB, of quantizing this tensor alone; of an activation over
            the compared samples, None where there were none.
        sqnr_db: the same with the errors of all layers before; None for weights.
        clipped: share of the values outside the grid, from 0 to 1, over the compared samples.
        channels: range of each channel, of an activation by magnitude; None without channels.
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
    """One report for each layer of a plan, in graph order.

    Args:
        plan: layers and tensors.
        activations: parameters of each quantized activation.
        constants: integers and parameters of each constant.
        errors: measured error of each compared tensor.
        shares: each layer's own part of the error of the model's outputs.
        trained: activations whose range was learned in training.
        native_ms: milliseconds of each layer in the native runtime.
    """

    def activation(name: str) -> TensorReport:
        tensor = plan.tensors[name]
        return _tensor_report(name, activations[name], _TRAINED if tensor.source in trained else tensor.estimator)

    reports: list[LayerReport] = []
    for layer in plan.layers.values():
        weights = [
            _tensor_report(constant.tensor, constant.params, "minmax")
            for (name, _), constant in constants.items()
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
    """The values of every quantized tensor, without int32 biases.

    Args:
        state: a quantization.
        errors: measured error of each compared activation.
    """
    values = {name: _activation(state, name, errors.get(name)) for name in state.plan.tensors}
    for layer in state.plan.layers.values():
        for weight in layer.weights:
            stored = state.constants[layer.name, weight.index].as_in_model()
            array = constant(state.model.graph.initializers.get(stored.tensor))
            if array is not None and array.size and stored.tensor not in values:
                symmetric = layer.role != "carry" or state.plan.target.activations.symmetric
                values[stored.tensor] = _weights(np.asarray(array, np.float32), stored, symmetric)
    return values


def _activation(state: State, name: str, error: TensorError | None) -> TensorValues:
    tensor, params = state.plan.tensors[name], state.activations[name]
    observer = state.calibration.observers.get(tensor.source)
    low, high = (observer.min, observer.max) if isinstance(observer, RangeSketch) else (None, None)
    bounds = state.ranges.get(tensor.source)
    magnitudes = None if error is None or error.channel_ranges.size == 0 else error.channel_ranges
    return TensorValues(
        kind="activation",
        low=low,
        high=high,
        range=None if bounds is None else [float(bound) for bound in bounds],
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
    widest = None if axis is None else int(np.argmax(np.abs(array).max(axis=_other_axes(array, axis))))
    ranged = array if axis is None or widest is None else array.take(widest, axis)
    return TensorValues(
        kind="weights",
        low=float(array.min()),
        high=float(array.max()),
        range=None if params.block_size else [float(ranged.min()), float(ranged.max())],
        channel=widest,
        symmetric=symmetric,
        histogram=of_integers(stored.integers, params),
        own_sqnr_db=rounding_sqnr_db(array, stored.integers, params),
        sqnr_db=None,
        clipped=None,
        channels=None if axis is None else channels_of(array, axis),
    )


def _other_axes(array: NDArray[np.float32], axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(array.ndim) if other != axis % array.ndim)


def _tensor_report(name: str, params: QuantParams, estimator: str) -> TensorReport:
    scale, zero_point = params.scale.reshape(-1), params.zero_point.reshape(-1)
    return TensorReport(
        name, str(params.grid), [float(s) for s in scale], [int(z) for z in zero_point], params.axis, estimator
    )
