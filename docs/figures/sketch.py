"""The bins of a range sketch beside equal ones."""

from __future__ import annotations

import altair as alt
import numpy as np
from numpy.typing import NDArray

from octavo.ranges import RangeSketch

from .style import table

Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

_AXIS = alt.Axis(values=[0.01, 0.1, 1, 10, 100, 1000], format="~g", grid=False)

# Over many magnitudes, as activations often are: half of the values lie below 1, the largest beyond 1000.
VALUES = np.random.default_rng(0).lognormal(0.0, 1.5, 50_000).astype(np.float32)
# 4 bins an octave in place of the sketch's 128, which would be too narrow to be seen.
MANTISSA_BITS = 2


def sketch() -> alt.LayerChart:
    """Where the values lie, by the sketch's bins and by as many equal ones; areas are shares of the values."""
    seen = RangeSketch()
    seen.update(VALUES)
    low, high, counts = seen.histogram(MANTISSA_BITS)
    edges = np.linspace(0.0, seen.max, counts.size + 1)
    equal, _ = np.histogram(VALUES, edges)
    # A logarithmic axis has no zero: the first of the equal bins is drawn from the smallest value on.
    edges[0] = seen.min
    layers = [_bars("log-linear", low, high, counts), _bars("equal", edges[:-1], edges[1:], equal)]
    return alt.LayerChart(layer=layers)


def _bars(name: str, low: Doubles, high: Doubles, counts: Integers) -> alt.Chart:
    height = counts / counts.sum() / np.log2(high / low)
    data = table(name, low=low, high=high, height=height, kind=[f"{name} bins"] * counts.size)
    x = alt.X("low:Q", title="value", scale=alt.Scale(type="log", nice=False), axis=_AXIS)
    y = alt.Y("height:Q", title="share of the values per octave", axis=alt.Axis(format="~%", tickCount=5))
    kinds = ["log-linear bins", "equal bins"]
    fill, stroke = alt.Fill("kind:N", sort=kinds), alt.Stroke("kind:N", sort=kinds, legend=None)
    bars = alt.Chart(data).mark_rect(fillOpacity=0.35)
    return bars.encode(x=x, x2="high:Q", y=y, y2=alt.datum(0), fill=fill, stroke=stroke)
