"""Outputs of the kinds that trained models have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def class_scores(samples: int, classes: int, seed: int = 0) -> Floats:
    """Scores of a trained classifier: the best stands out."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(samples, classes))
    scores[np.arange(samples), rng.integers(0, classes, samples)] += 6
    return scores.astype(np.float32)


def detections(samples: int, boxes: int = 50, classes: int = 6, seed: int = 0) -> Floats:
    """Boxes in pixels and, on the same axis, small scores: (samples, 4 + classes, boxes)."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(5, 60, (samples, 4, boxes)), rng.uniform(0, 0.02, (samples, classes, boxes))
    return np.concatenate(found, 1).astype(np.float32)
