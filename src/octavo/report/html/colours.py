"""The colour of a signal-to-quantization-noise ratio."""

from __future__ import annotations

import numpy as np

# Nine colours of cividis (Nuñez, Anderton, Renslow 2018), which the colour-blind see as others do: lightness rises.
_CIVIDIS = np.array(
    [
        [0, 34, 78], [26, 56, 111], [67, 78, 108], [100, 100, 112], [125, 124, 120],
        [153, 149, 117], [185, 175, 103], [219, 204, 85], [254, 232, 56],
    ]
)  # fmt: skip
LOW_DB, HIGH_DB = 0.0, 50.0


def colour(sqnr_db: float | None) -> str:
    """A colour as CSS writes it, from dark (0 dB) to light (50 dB); grey where nothing was measured."""
    if sqnr_db is None:
        return "#8888"
    place = float(np.clip((sqnr_db - LOW_DB) / (HIGH_DB - LOW_DB), 0.0, 1.0)) * (len(_CIVIDIS) - 1)
    mixed = [np.interp(place, np.arange(len(_CIVIDIS)), _CIVIDIS[:, part]) for part in range(3)]
    return "#" + "".join(f"{round(each):02x}" for each in mixed)
