"""Charts, one file each: functions from plain values to Altair charts."""

from __future__ import annotations

from octavo.report.html.charts.channels import channels, channels_of
from octavo.report.html.charts.comparison import comparison
from octavo.report.html.charts.drop import drop
from octavo.report.html.charts.histogram import histogram, histogram_of
from octavo.report.html.charts.layers import layers
from octavo.report.html.charts.pareto import pareto
from octavo.report.html.charts.sensitivity import sensitivity

__all__ = [
    "channels",
    "channels_of",
    "comparison",
    "drop",
    "histogram",
    "histogram_of",
    "layers",
    "pareto",
    "sensitivity",
]
