"""Agreement with the float model, for data without labels."""

from __future__ import annotations

import numpy as np

from octavo.data import Arrays
from octavo.measure.metrics.metric import Doubles, Metric, only_output
from octavo.measure.metrics.regression import cosines


def agreement() -> Metric:
    """Agreement with the float model in points.

    For class scores (two axes) whether the argmax is the same; for one number per sample 100 minus the relative error
    in percent, at least 0; for other outputs 100 times the cosine similarity.
    """
    return Metric("agreement", "points", per_sample=_agree)


def _agree(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
    quantized, float_output = only_output(outputs), only_output(floats)
    if quantized.ndim == 2 and quantized.shape[1] > 1:
        return np.where(quantized.argmax(1) == float_output.argmax(1), 100.0, 0.0)
    if quantized[0].size == 1:
        return _relative(quantized.reshape(-1).astype(np.float64), float_output.reshape(-1).astype(np.float64))
    return cosines(quantized, float_output) * 100.0


def _relative(quantized: Doubles, reference: Doubles) -> Doubles:
    size = np.maximum(np.abs(reference), np.finfo(np.float32).tiny)
    return np.maximum(100.0 * (1.0 - np.abs(quantized - reference) / size), 0.0)
