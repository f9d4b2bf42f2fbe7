"""Distance of outputs to a reference: mean squared error, PSNR, cosine similarity.

The reference is the reference array named after the output, or `target`, `targets` or `labels`; without any of them
the output of the float model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.figures import cosines
from octavo.measure.metrics.metric import Doubles, Metric, only_output

_NAMES = ("target", "targets", "labels")
# In dB: the PSNR of identical images is infinite.
_LARGEST_PSNR = 100.0


def mse() -> Metric:
    """Mean squared error; lower is better."""
    return Metric("mse", "", per_sample=_squared_errors, lower_is_better=True)


def cosine() -> Metric:
    """Mean cosine similarity."""
    return Metric("cosine", "", per_sample=_cosines)


def psnr() -> Metric:
    """Mean peak signal-to-noise ratio in dB; the peak is 1 for references within [0, 1], else 255."""
    return Metric("psnr", "dB", score=_psnr)


def _cosines(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
    quantized = only_output(outputs)
    if len(quantized) and quantized[0].size == 1:
        raise DataError(
            f"metric cosine is always 1 or -1 for output '{next(iter(outputs))}', which is one number per sample, and "
            "tells nothing; choose another `metric`, for example mse"
        )
    return cosines(quantized, _expected(outputs, reference, floats))


def _expected(outputs: Arrays, reference: Arrays, floats: Arrays) -> NDArray[Any]:
    name, output = next(iter(outputs.items()))
    target = next((reference[n] for n in (name, *_NAMES) if n in reference), None)
    if target is None:
        target = only_output(floats)
        if target.shape != output.shape:
            raise DataError(
                f"output '{name}' of a sample has shape {list(output.shape[1:])} but the float model's "
                f"{list(target.shape[1:])}, which this metric cannot compare; choose another `metric`"
            )
        return target
    if _without_unit_axes(target) != _without_unit_axes(output):
        raise DataError(
            f"the reference has shape {list(target.shape)} but output '{name}' {list(output.shape)}; make them equal"
        )
    return target


def _without_unit_axes(x: NDArray[Any]) -> list[int]:
    """The shape without axes of size one, which exporters may add or drop."""
    return [len(x), *(size for size in x.shape[1:] if size != 1)]


def _squared_errors(outputs: Arrays, reference: Arrays, floats: Arrays) -> Doubles:
    difference = _rows(only_output(outputs)) - _rows(_expected(outputs, reference, floats))
    # Rows that a model selects may be none.
    return np.asarray((difference * difference).sum(1) / max(difference.shape[1], 1))


def _psnr(outputs: Arrays, reference: Arrays, floats: Arrays) -> float:
    expected = _expected(outputs, reference, floats)
    peak = 1.0 if float(np.max(expected, initial=0.0)) <= 1.0 else 255.0
    errors = _squared_errors(outputs, reference, floats)
    with np.errstate(divide="ignore"):
        decibels = 10.0 * np.log10(peak * peak / errors)
    return float(np.minimum(decibels, _LARGEST_PSNR).mean())


def _rows(x: NDArray[Any]) -> Doubles:
    return x.reshape(len(x), int(np.prod(x.shape[1:]))).astype(np.float64)
