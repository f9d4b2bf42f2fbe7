"""What a browser or a notebook shows: the page of a result, the page of a comparison, and the charts on them."""

from __future__ import annotations

from octavo.report.html.comparison import comparison_page
from octavo.report.html.plots import Plots
from octavo.report.html.read import read_result, schema
from octavo.report.html.result import result_fragment, result_page

__all__ = ["Plots", "comparison_page", "read_result", "result_fragment", "result_page", "schema"]
