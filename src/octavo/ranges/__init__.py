"""Mergeable range sketches, and estimators that choose ranges from them."""

from __future__ import annotations

from octavo.ranges.estimator import Estimator, Range
from octavo.ranges.fbgemm_histogram import FbgemmHistogram
from octavo.ranges.observer import Observer
from octavo.ranges.registry import estimator, estimator_names
from octavo.ranges.sketch import RangeSketch

__all__ = ["Estimator", "FbgemmHistogram", "Observer", "Range", "RangeSketch", "estimator", "estimator_names"]
