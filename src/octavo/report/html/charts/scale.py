"""The axis of signal-to-quantization-noise ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octavo.report.html.library import altair

# Higher ratios are those of float tensors, which differ by float32 rounding only.
_LIMIT_DB = 70.0


def ratio_axis(ratios: Sequence[float]) -> Any:
    """The y encoding of `sqnr` in dB; nearly exact values are clamped, so that the others stay distinguishable."""
    alt = altair()
    if max(ratios, default=0.0) <= _LIMIT_DB:
        return alt.Y("sqnr:Q", title="SQNR in dB", scale=alt.Scale(zero=False))
    lowest = min(min(ratios) - 2.0, _LIMIT_DB - 10.0)
    scale = alt.Scale(domain=[lowest, _LIMIT_DB], clamp=True, nice=False)
    return alt.Y("sqnr:Q", title=f"SQNR in dB ({_LIMIT_DB:.0f} or more above)", scale=scale)
