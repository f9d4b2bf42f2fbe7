"""User-defined metrics."""

from __future__ import annotations

from collections.abc import Callable

from octavo.data import Arrays
from octavo.errors import DataError
from octavo.measure.metrics.metric import Metric
from octavo.system.imports import function_named


def custom(function: Callable[[Arrays, Arrays], float], name: str | None = None) -> Metric:
    """`function(outputs, reference) -> float`, higher is better.

    It has the unit that the function's attribute `unit` says, such as "points" for percentages, and none without.
    """
    label = name or str(getattr(function, "__name__", "custom"))

    def score(outputs: Arrays, reference: Arrays, floats: Arrays) -> float:
        try:
            return float(function(outputs, reference))
        except Exception as error:
            raise DataError(f"metric {label} failed with {type(error).__name__}: {_one_line(error)}") from error

    return Metric(label, str(getattr(function, "unit", "")), score=score)


def imported(spec: str) -> Metric:
    """The metric `module:function`; the working directory is on the search path.

    Raises:
        OptionError: the module or the function cannot be found.
    """
    return custom(function_named(spec, "metric"), spec)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
