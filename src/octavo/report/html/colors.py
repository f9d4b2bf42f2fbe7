"""Color map of signal-to-quantization-noise ratios."""

from __future__ import annotations

import numpy as np

# Nine colors of cividis (Nuñez, Anderton, Renslow 2018): safe for color blindness, with rising lightness.
_CIVIDIS = np.array(
    [
        [0, 34, 78], [26, 56, 111], [67, 78, 108], [100, 100, 112], [125, 124, 120],
        [153, 149, 117], [185, 175, 103], [219, 204, 85], [254, 232, 56],
    ]
)  # fmt: skip
LOW_DB, HIGH_DB = 0.0, 50.0


def color(sqnr_db: float | None) -> str:
    """A CSS color from dark (0 dB) to light (50 dB); grey for None."""
    if sqnr_db is None:
        return "#8888"
    position = float(np.clip((sqnr_db - LOW_DB) / (HIGH_DB - LOW_DB), 0.0, 1.0)) * (len(_CIVIDIS) - 1)
    mixed = [np.interp(position, np.arange(len(_CIVIDIS)), _CIVIDIS[:, channel]) for channel in range(3)]
    return "#" + "".join(f"{round(part):02x}" for part in mixed)
