"""The axis of signal-to-quantization-noise ratios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from octavo.report.html.library import altair

# Above it lies what integers did not touch: the float parts of a model differ by float32 rounding alone.
_MOST_DB = 70.0


def ratio_axis(ratios: Sequence[float]) -> Any:
    """The y encoding of `sqnr` in dB; what is nearly exact is put at the upper edge, to tell the rest apart."""
    alt = altair()
    if max(ratios, default=0.0) <= _MOST_DB:
        return alt.Y("sqnr:Q", title="SQNR in dB", scale=alt.Scale(zero=False))
    lowest = min(min(ratios) - 2.0, _MOST_DB - 10.0)
    scale = alt.Scale(domain=[lowest, _MOST_DB], clamp=True, nice=False)
    return alt.Y("sqnr:Q", title=f"SQNR in dB ({_MOST_DB:.0f} or more above)", scale=scale)
