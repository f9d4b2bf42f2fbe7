"""Bits against decibels."""

from __future__ import annotations

import altair as alt
import numpy as np
from numpy.typing import NDArray

from octavo.affine import Grid, fake_quantize, params_from_range
from octavo.measure.decibels import decibels
from octavo.ranges import RangeSketch, estimator

from .style import table

BITS = range(2, 17)
_SIZE = 50_000
_RANDOM = np.random.default_rng(0)
SHAPES = {
    "uniform": _RANDOM.uniform(-1, 1, _SIZE).astype(np.float32),
    "Gaussian": _RANDOM.normal(size=_SIZE).astype(np.float32),
    "Laplace": _RANDOM.laplace(size=_SIZE).astype(np.float32),
}
# A step half as large makes an error half as large: 20 log10(2) a bit.
DB_A_BIT = 20 * np.log10(2.0)


def sqnr() -> alt.LayerChart:
    """SQNR over bits with the range of least squared error, beside the line of 6.02 dB a bit."""
    x = alt.X("bits:Q", title="bits", scale=alt.Scale(domain=[BITS[0], BITS[-1]]), axis=alt.Axis(tickCount=len(BITS)))
    y = alt.Y("db:Q", title="SQNR, dB")
    line = alt.Chart(table("line", bits=BITS, db=DB_A_BIT * np.array(BITS)))
    label = alt.Chart(table("label", bits=[8], db=[8 * DB_A_BIT + 4], text=[f"{DB_A_BIT:.2f} dB a bit"]))
    layers = [
        alt.Chart(_measured()).mark_line(point=True).encode(x=x, y=y, color=alt.Color("shape:N", sort=list(SHAPES))),
        line.mark_line(style="guide").encode(x=x, y=y),
        label.mark_text(align="right", dx=-8).encode(x=x, y=y, text="text:N"),
    ]
    return alt.LayerChart(layer=layers)


def _measured() -> alt.InlineData:
    rows = [
        {"bits": bits, "db": _decibels(values, bits), "shape": shape}
        for shape, values in SHAPES.items()
        for bits in BITS
    ]
    return alt.InlineData(name="measured", values=rows)


def _decibels(values: NDArray[np.float32], bits: int) -> float:
    grid = Grid("int16", -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    seen = RangeSketch()
    seen.update(values)
    params = params_from_range(*estimator("mse").range(seen, grid, symmetric=False), grid)
    lost = values - fake_quantize(values, params)
    return decibels(float(np.square(values, dtype=np.float64).sum()), float(np.square(lost, dtype=np.float64).sum()))
