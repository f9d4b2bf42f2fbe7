"""Metrics of a model's outputs."""

from __future__ import annotations

from octavo.measure.metrics.metric import Metric
from octavo.measure.metrics.registry import default_metric, metric, metric_names

__all__ = ["Metric", "default_metric", "metric", "metric_names"]
