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
from octavo.measure.metrics.metric import Doubles, Metric, only_output

_NAMES = ("target", "targets", "labels")
# In dB: the PSNR of identical images is infinite.
_LARGEST_PSNR = 100.0


def mse() -> Metric:
    """Mean squared error; lower is better."""
    return Metric("mse", "", per_sample=_squared_errors, lower_is_better=True)


def cosine() -> Metric:
    """Mean cosine similarity."""
    return Metric("cosine", "", per_sample=lambda out, ref, flt: cosines(only_output(out), _expected(out, ref, flt)))


def psnr() -> Metric:
    """Mean peak signal-to-noise ratio in dB; the peak is 1 for references within [0, 1], else 255."""
    return Metric("psnr", "dB", score=_psnr)


def cosines(x: NDArray[Any], y: NDArray[Any]) -> Doubles:
    """Cosine similarity of each row; 1 where both are zero."""
    a, b = _rows(x), _rows(y)
    norms = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    both_zero = (a == 0).all(1) & (b == 0).all(1)
    return np.where(both_zero, 1.0, (a * b).sum(1) / np.where(norms == 0, 1.0, norms))


def _expected(outputs: Arrays, reference: Arrays, floats: Arrays) -> NDArray[Any]:
    name, output = next(iter(outputs.items()))
    target = next((reference[n] for n in (name, *_NAMES) if n in reference), None)
    if target is None:
        return only_output(floats)
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
    return np.asarray((difference * difference).mean(1))


def _psnr(outputs: Arrays, reference: Arrays, floats: Arrays) -> float:
    expected = _expected(outputs, reference, floats)
    peak = 1.0 if float(np.max(expected, initial=0.0)) <= 1.0 else 255.0
    errors = _squared_errors(outputs, reference, floats)
    with np.errstate(divide="ignore"):
        decibels = 10.0 * np.log10(peak * peak / errors)
    return float(np.minimum(decibels, _LARGEST_PSNR).mean())


def _rows(x: NDArray[Any]) -> Doubles:
    return x.reshape(len(x), -1).astype(np.float64)
