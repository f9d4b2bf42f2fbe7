"""Registry of estimators. A new estimator is a file in this folder and its entry in `_ESTIMATORS`."""

from __future__ import annotations

from collections.abc import Callable

from octavo.errors import OptionError
from octavo.ranges.entropy import entropy
from octavo.ranges.estimator import Estimator
from octavo.ranges.fbgemm_histogram import fbgemm_histogram
from octavo.ranges.minmax import minmax
from octavo.ranges.moving_average import moving_average
from octavo.ranges.mse import mse
from octavo.ranges.percentile import percentile

_ESTIMATORS: dict[str, Callable[..., Estimator]] = {
    "entropy": entropy,
    "fbgemm_histogram": fbgemm_histogram,
    "minmax": minmax,
    "moving_average": moving_average,
    "mse": mse,
    "percentile": percentile,
}


def estimator_names() -> list[str]:
    """The registered names, sorted."""
    return sorted(_ESTIMATORS)


def estimator(spec: str) -> Estimator:
    """The estimator with this name, optionally with a parameter after a colon ("percentile:99.9").

    Raises:
        OptionError: the name is unknown or the parameter is invalid.
    """
    name, _, parameter = spec.partition(":")
    if name not in _ESTIMATORS:
        raise OptionError(f"there is no estimator '{name}'; use one of {', '.join(estimator_names())}")
    try:
        return _ESTIMATORS[name](float(parameter)) if parameter else _ESTIMATORS[name]()
    except (TypeError, ValueError):
        raise OptionError(f"estimator '{spec}' has a parameter that '{name}' does not take; drop it") from None
