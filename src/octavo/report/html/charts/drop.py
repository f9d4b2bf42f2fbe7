"""The drop of the metric, its interval, and the budget."""

from __future__ import annotations

from typing import Any

from octavo.report.html.library import BLUE, GREY, RED, altair
from octavo.report.plain import Plain


def drop(metric: Plain, budget: float | None) -> Any:
    """Chart the drop and its paired 95% interval, with marks at zero and at the budget."""
    alt = altair()
    low, high = metric["drop_ci95"] or [metric["drop"], metric["drop"]]
    marks = [{"at": 0.0, "what": "no drop"}] + ([] if budget is None else [{"at": budget, "what": "budget"}])
    unit = f", {metric['unit']}" if metric["unit"] else ""
    x = alt.X("at:Q", title=f"drop of {metric['name']}{unit}")
    interval = (
        alt.Chart(alt.InlineData([{"at": low, "end": high}]))
        .mark_rule(color=BLUE, strokeWidth=6)
        .encode(x=x, x2="end:Q")
    )
    middle = (
        alt.Chart(alt.InlineData([{"at": metric["drop"]}])).mark_point(color=BLUE, filled=True, size=160).encode(x=x)
    )
    rules = (
        alt.Chart(alt.InlineData(marks))
        .mark_rule(strokeWidth=1.5)
        .encode(
            x=x,
            color=alt.Color("what:N", title=None, scale=alt.Scale(domain=["no drop", "budget"], range=[GREY, RED])),
            strokeDash=alt.StrokeDash(
                "what:N", title=None, scale=alt.Scale(domain=["no drop", "budget"], range=[[4, 3], [1, 0]])
            ),
        )
    )
    return (rules + interval + middle).properties(height=50)
