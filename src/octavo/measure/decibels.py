"""Signal-to-noise ratio, bounded for reports."""

from __future__ import annotations

from math import isfinite

import numpy as np

# The SQNR that an exact output counts with in a mean.
EXACT_DB = 150.0


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise), clipped to [-100, 200] dB so that it is finite."""
    if not isfinite(noise):
        return -100.0
    if noise <= 0.0:
        return 200.0
    return float(np.clip(10.0 * np.log10(max(signal, 1e-300) / noise), -100.0, 200.0))
