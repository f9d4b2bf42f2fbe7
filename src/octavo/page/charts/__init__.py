"""Charts, one file each: functions from plain figures to Altair's own chart objects."""

from __future__ import annotations

from octavo.page.charts.channels import channels, channels_of
from octavo.page.charts.comparison import comparison
from octavo.page.charts.drop import drop
from octavo.page.charts.histogram import histogram, histogram_of
from octavo.page.charts.layers import layers
from octavo.page.charts.pareto import pareto
from octavo.page.charts.sensitivity import sensitivity

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
