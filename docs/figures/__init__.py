"""The figures of the documents, computed by Octavo itself whenever the site is built.

A new figure is a file beside these, a line here, and `![what it shows](figures/NAME.py)` on a page.
"""

from __future__ import annotations

from collections.abc import Callable

import altair as alt

from .error import error
from .grid import grid
from .sketch import sketch
from .sqnr import sqnr
from .tradeoff import tradeoff

FIGURES: dict[str, Callable[[], alt.LayerChart]] = {
    "grid": grid,
    "error": error,
    "tradeoff": tradeoff,
    "sketch": sketch,
    "sqnr": sqnr,
}
