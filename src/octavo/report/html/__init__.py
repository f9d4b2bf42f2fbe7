"""HTML pages of a result and of a comparison, and their charts."""

from __future__ import annotations

from octavo.report.html.comparison import comparison_page
from octavo.report.html.plots import Plots
from octavo.report.html.read import read_result, schema
from octavo.report.html.result import result_fragment, result_page

__all__ = ["Plots", "comparison_page", "read_result", "result_fragment", "result_page", "schema"]
