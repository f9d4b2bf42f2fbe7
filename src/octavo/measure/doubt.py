"""What the interval of a drop leaves in doubt, or does not: the warnings of a metric."""

from __future__ import annotations

from octavo.measure.interval import Interval
from octavo.measure.metrics import Metric
from octavo.measure.resample import Groups
from octavo.system.digits import decimals, fixed

# In points: wider half-intervals cannot resolve the drops that users ask about.
_RESOLUTION = 0.5


def doubts(interval: Interval, metric: Metric, value: float, groups: Groups, agreement: float | None) -> list[str]:
    """A warning where the samples cannot tell the drop from noise, or where the model has changed beyond it.

    Args:
        interval: the interval of the drop.
        metric: the metric.
        value: its value of the float model.
        groups: the independent groups of samples.
        agreement: the share of decisions that are those of the float model; None where there are none.
    """
    if interval.ends is None:
        why = interval.method.removeprefix("none: ")
        return [f"nothing tells the drop from noise ({why}); evaluate on more"]
    low, high = interval.ends
    text = _text((low, high), metric.unit)
    if not low <= 0.0 <= high:
        return [_changed(metric, low > 0.0, text, agreement)]
    resolution = _RESOLUTION if metric.unit == "points" else 0.01 * abs(value)
    if (high - low) / 2 > resolution:
        return [f"{groups.count} {groups.kind} are too few to tell the drop from noise ({text}); evaluate on more"]
    return []


def _changed(metric: Metric, worse: bool, text: str, agreement: float | None) -> str:
    differs = "" if agreement is None else f"; {1 - agreement:.1%} of its decisions differ from the float model's"
    if worse:
        return f"quantization costs {metric.name} more than chance explains ({text}){differs}"
    return (
        f"{metric.name} is better than the float model's by more than chance explains ({text}){differs}: the model has "
        "changed, which is not the same as being better"
    )


def _text(ends: tuple[float, float], unit: str) -> str:
    places = decimals(ends, unit)
    return f"95% interval {fixed(ends[0], places, sign=True)} to {fixed(ends[1], places, sign=True)} {unit}".rstrip()
