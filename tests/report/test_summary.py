"""Text and figures of a result that terminal and HTML page share."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.jobs import diagnosis, metric, quantized, samples, stated

from octavo.graph.plan import LeftFloat
from octavo.recover import Step
from octavo.report import summary
from octavo.report.summary import sparkline

SIZES: dict[str, Any] = {"size_bytes": {"float": 400, "quantized": 100}}
shares = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=200)


@given(shares)
def test_a_sparkline_has_its_width_and_blanks_for_empty_bins(values: list[float]) -> None:
    line = sparkline(values, width=16)
    assert len(line) == 16
    assert (line.strip() == "") == (sum(values) == 0)


def test_a_sparkline_is_highest_at_the_largest_bin() -> None:
    assert sparkline([0.0, 0.01, 0.89, 0.1], width=4) == " ▁█▃"


def test_diagnosed_layers_come_first() -> None:
    result = quantized(evaluate=samples(seed=1), verify=True, target="octavo").to_dict()
    rows = summary.worst_layers(result)
    assert [row.name for row in rows] == [result["diagnosis"][0]["layer"], *_others(result)]
    assert rows[0].causes == result["diagnosis"][0]["causes"]
    assert all(row.spark.strip() for row in rows)


def _others(result: dict[str, Any]) -> list[str]:
    diagnosed = {entry["layer"] for entry in result["diagnosis"]}
    return [
        entry["name"]
        for entry in sorted(result["layers"], key=lambda e: e["sqnr_db"])
        if entry["name"] not in diagnosed
    ]


def test_at_most_five_are_shown() -> None:
    plain = stated(diagnosis=[diagnosis(layer=f"l{i}") for i in range(9)], **SIZES).to_dict()
    assert [row.name for row in summary.worst_layers(plain)] == [f"l{i}" for i in range(5)]


def test_reasons_are_grouped_without_tensor_names() -> None:
    why = "its input '{}' is float (from Conv 'c'), so integers would only add rounding"
    plain = stated(left_float=[LeftFloat(name, "Relu", why.format(name)) for name in "ab"], **SIZES).to_dict()
    assert summary.left_float(plain) == [
        ("Relu", "its input is float, so integers would only add rounding", ["a", "b"])
    ]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_that_is_not_finite_is_shown(value: float) -> None:
    plain = stated(metric=metric(quantized_value=value, drop=value, ci95=(value, value)), **SIZES).to_dict()
    assert "nan" in summary.headline(plain)


def test_ended_on_is_the_last_kept_rung() -> None:
    steps = [
        Step(name, "", kept, 0.0, None, None, 0.0, 1)
        for name, kept in [("plain", True), ("search", True), ("round", False)]
    ]
    assert summary.ended_on(stated(steps=steps, **SIZES).to_dict()) == "search"
    assert summary.ended_on(stated(**SIZES).to_dict()) == "plain"
