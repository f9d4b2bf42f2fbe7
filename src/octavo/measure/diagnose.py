"""The layers with the largest errors, and their likely causes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from octavo.affine import QuantParams, real_range
from octavo.graph.plan import LayerPlan
from octavo.measure.layers import TensorError

# SQNR below which classifiers fail; 8 bits give about 40 dB on a Gaussian.
_POOR_DB = 20.0
_FEW_STEPS = 16.0
# A range this many times wider than the values wastes two of eight bits.
_TOO_WIDE = 4.0
_WORST = 5
# With fewer levels weights dominate the error.
_MANY_LEVELS = 64
# Share of clipped values to report, and share of the channels that counts as few.
_CLIPPED = 0.005
_FEW_CHANNELS = 0.1
# Share of the error that must be mean shift: without it the error falls by 3 dB or more.
_SHIFTED = 0.5
# Ratio to the largest value in calibration above which there were too few calibration samples.
_BEYOND = 1.25


@dataclass(frozen=True)
class Diagnosis:
    """One of the worst layers: SQNR of its output, and the likely causes, one sentence each.

    `share` is the layer's contribution to the output error, 0 to 1, assuming that contributions add up; None where
    it was not measured.
    """

    layer: str
    op: str
    tensor: str
    sqnr_db: float
    causes: list[str]
    share: float | None = None


@dataclass(frozen=True)
class Evidence:
    """Further measurements of layers and tensors.

    Attributes:
        shares: contribution of each layer to the output error.
        calibrated: largest |x| of each tensor over the calibration samples.
        samples: number of calibration samples.
        hazards: layers whose integer kernels can saturate on this processor, with a sentence each.
        sources: the tensor whose grid another shares, because data movers lie between them.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    calibrated: Mapping[str, float] = field(default_factory=dict)
    samples: int = 0
    hazards: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


NOTHING = Evidence()


def diagnose(
    layers: Sequence[LayerPlan],
    errors: Mapping[str, TensorError],
    activations: Mapping[str, QuantParams],
    evidence: Evidence = NOTHING,
) -> list[Diagnosis]:
    """At most five layers below 20 dB, worst first; the single worst if there are none.

    Layers are ordered by the SQNR of their own input and output grids; the SQNR of the output, which includes inherited
    errors, counts with 10 dB more.
    """
    measured = [layer for layer in layers if layer.result in errors and layer.role != "move"]
    ordered = sorted(measured, key=lambda layer: _rank(layer, errors))
    poor = [layer for layer in ordered if errors[layer.result].sqnr_db < _POOR_DB]
    return [_diagnosis(layer, errors, activations, evidence) for layer in (poor or ordered[:1])[:_WORST]]


def _rank(layer: LayerPlan, errors: Mapping[str, TensorError]) -> float:
    error = errors[layer.result]
    own = [errors[name].own_sqnr_db for name in _tensors(layer) if name in errors]
    worst = min((value for value in own if value is not None), default=200.0)
    return min(worst, error.sqnr_db + 10.0)


def _tensors(layer: LayerPlan) -> list[str]:
    return [*layer.inputs.values(), *([layer.output] if layer.output else [])]


def _diagnosis(
    layer: LayerPlan,
    errors: Mapping[str, TensorError],
    activations: Mapping[str, QuantParams],
    evidence: Evidence,
) -> Diagnosis:
    causes = [
        cause
        for name in _tensors(layer)
        if name in errors and name in activations
        for cause in _causes(name, errors[name], activations[name], evidence)
    ]
    causes += [
        cause
        for name in _tensors(layer)
        if name in errors
        for cause in _beyond_calibration(name, errors[name], evidence)
    ]
    causes = causes or _hidden_causes(layer, errors, activations)
    causes += [evidence.hazards[layer.name]] if layer.name in evidence.hazards else []
    share = evidence.shares.get(layer.name)
    return Diagnosis(layer.name, layer.op, layer.result, errors[layer.result].sqnr_db, causes, share)


def _mean_shift(name: str, error: TensorError) -> list[str]:
    """Report an error that is for the most part one number a channel."""
    if error.mean_shift < _SHIFTED:
        return []
    return [
        f"{error.mean_shift:.0%} of the error of '{name}' is a shift of its channels' means: correct the biases "
        "(`rungs='correct'`)"
    ]


def _beyond_calibration(name: str, error: TensorError, evidence: Evidence) -> list[str]:
    """Report a tensor whose values are well beyond those seen in calibration."""
    largest, seen = float(error.channel_ranges.max(initial=0.0)), evidence.calibrated.get(name, 0.0)
    if seen <= 0.0 or largest <= _BEYOND * seen:
        return []
    return [
        f"'{name}' reaches {largest:.3g} here and stayed below {seen:.3g} in {evidence.samples} calibration samples: "
        "its range had not settled, calibrate on more"
    ]


def _hidden_causes(
    layer: LayerPlan, errors: Mapping[str, TensorError], activations: Mapping[str, QuantParams]
) -> list[str]:
    """Causes where the SQNR of all grids on their own is high."""
    inputs = [name for name in layer.inputs.values() if name in errors]
    inherited = [name for name in inputs if errors[name].sqnr_db < _POOR_DB]
    if inherited:
        return [f"its input '{inherited[0]}' already arrives with {errors[inherited[0]].sqnr_db:.1f} dB"]
    if errors[layer.result].sqnr_db < _POOR_DB:
        # Large channels mask the noise of small ones until large weights amplify it.
        quantized = [name for name in inputs if name in activations]
        quiet = [cause for name in quantized for cause in _quiet_channels(name, errors[name], activations[name], 0.0)]
        if quiet:
            return quiet
        shifted = _mean_shift(layer.result, errors[layer.result])
        if shifted:
            return shifted
        few = min((weight.grid.levels for weight in layer.weights), default=_MANY_LEVELS)
        if few < _MANY_LEVELS:
            return [
                f"its weights have {few} levels only: round them by their output (`rungs='round'`) or use more bits"
            ]
    return ["no single cause: rounding of weights and activations adds up"]


def _quiet_channels(name: str, error: TensorError, params: QuantParams, share: float) -> list[str]:
    """Report channels that use few steps of the grid, if at least `share` of them do."""
    ranges = error.channel_ranges[error.channel_ranges > 0]
    quiet = int((ranges / float(params.scale) < _FEW_STEPS).sum())
    if ranges.size < 2 or quiet == 0 or quiet < share * ranges.size:
        return []
    ratio = float(ranges.max() / ranges.min())
    return [
        f"{quiet} of {error.channel_ranges.size} channels of '{name}' span fewer than {_FEW_STEPS:.0f} of "
        f"{params.grid.levels} steps, for the largest is {ratio:.0f} times the smallest: equalize the channels"
    ]


def _clipping(name: str, error: TensorError, params: QuantParams) -> str:
    """Report clipped values: of a few large channels, or of the whole tensor."""
    nearer = min(abs(float(end)) for end in real_range(params) if end != 0)
    ranges = error.channel_ranges
    loud = int((ranges > nearer).sum())
    if 0 < loud <= _FEW_CHANNELS * ranges.size:
        return (
            f"{loud} of {ranges.size} channels of '{name}' reach up to {ranges.max():.3g} and are clipped at "
            f"{nearer:.3g}, for a range that held them would leave the others few steps: equalize the channels"
        )
    return f"{error.clipped:.1%} of '{name}' lies beyond its range: calibrate on data like these, or widen it"


def _too_wide(name: str, largest: float, reach: float, evidence: Evidence) -> str:
    """Why a range is far wider than the values: a shared grid, an estimator, or outliers that calibration saw."""
    source, seen = evidence.sources.get(name, name), evidence.calibrated.get(name, reach)
    if source != name and seen * _TOO_WIDE < reach:
        return (
            f"'{name}' stays below {largest:.3g} and shares the grid of '{source}', which reaches {reach:.3g}: leave "
            "the operator that takes it out in float (`exclude`), so that it gets a grid of its own"
        )
    if seen * _TOO_WIDE < reach:
        return (
            f"the range of '{name}' reaches {reach:.3g} while calibration stayed below {seen:.3g}: choose another "
            "estimator (`estimator='minmax'`)"
        )
    return (
        f"the range of '{name}' reaches {reach:.3g} while these samples stay below {largest:.3g}, for the "
        "calibration samples hold outliers: remove them, or clip them with another estimator"
    )


def _causes(name: str, error: TensorError, params: QuantParams, evidence: Evidence) -> list[str]:
    if error.own_sqnr_db is None or error.own_sqnr_db > 35.0:
        return []
    largest = float(error.channel_ranges.max(initial=0.0))
    reach = max(abs(float(end)) for end in real_range(params))
    if largest > 0 and reach > _TOO_WIDE * largest:
        return [_too_wide(name, largest, reach, evidence)]
    causes = _quiet_channels(name, error, params, 0.25)
    if error.typical > 0 and largest > 8.0 * error.typical and not causes:
        causes.append(
            f"outliers of '{name}' reach {largest:.3g} while 99% of its values stay below {error.typical:.3g}: "
            "clip them with another estimator, or smooth them into the weights"
        )
    if error.clipped > _CLIPPED:
        causes.append(_clipping(name, error, params))
    if not causes and error.own_sqnr_db < _POOR_DB:
        causes.append(f"the grid of '{name}' alone leaves {error.own_sqnr_db:.1f} dB: it needs more bits")
    return causes
