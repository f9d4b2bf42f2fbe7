"""`result.plot`: charts have the figures of the result, and unknown names are refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.jobs import quantized, samples, stated
from tests.helpers.results import digits

from octavo.errors import OptionError
from octavo.report.html import Plots

alt = pytest.importorskip("altair")


def rows(chart: Any) -> list[dict[str, Any]]:
    """All data of a chart."""
    return [row for data in chart.to_dict().get("datasets", {}).values() for row in data]


def test_layers_are_in_graph_order_with_their_sqnr() -> None:
    result = digits()
    charted = [row for row in rows(Plots(result).layers()) if row["series"] == "with input error"]
    assert [(row["layer"], row["sqnr"]) for row in charted] == [(e["name"], e["sqnr_db"]) for e in result["layers"]]


def test_sensitivity_puts_the_largest_share_first() -> None:
    result = digits()
    charted = [row["share"] for row in rows(Plots(result).sensitivity())]
    assert charted == sorted((e["share"] for e in result["layers"] if e["share"] is not None), reverse=True)


def test_the_pareto_curve_holds_every_point_of_mix() -> None:
    result = digits()
    (points,) = [step["details"]["pareto"] for step in result["steps"] if step["rung"] == "mix"]
    charted = {(row["operations"], row["drop"]) for row in rows(Plots(result).pareto())}
    assert charted == {(point["bit_operations"], point["drop"]) for point in points}


def test_without_mix_there_is_no_pareto_curve() -> None:
    with pytest.raises(OptionError, match='`rungs="mix"`'):
        Plots(stated().to_dict()).pareto()


@pytest.mark.parametrize("kind", ["histogram", "channels"])
def test_a_layer_has_one_chart_per_tensor(kind: str) -> None:
    result = digits()
    layer = next(entry for entry in result["layers"] if entry["op"] == "Conv")
    charts = getattr(Plots(result), kind)(layer["name"]).to_dict()
    names = [entry["tensor"] for entry in [*layer["weights"], *layer["inputs"], layer["output"]]]
    charted = [name for name in names if result["tensors"].get(name, {}).get(kind) is not None]
    assert [entry["title"] for entry in charts["vconcat"]] == charted
    assert len(charted) > 1
    chart = getattr(Plots(result), kind)(layer["weights"][0]["tensor"]).to_dict()
    assert len(chart["vconcat"]) == 1


def test_a_histogram_has_grid_and_shares() -> None:
    result = digits()
    tensor = result["layers"][0]["inputs"][0]
    (record,) = rows(Plots(result).histogram(tensor["tensor"]))
    assert record["shares"] == result["tensors"][tensor["tensor"]]["histogram"]["shares"]
    assert record["step"] == pytest.approx(tensor["scale"][0], rel=1e-6)
    assert record["first"] == pytest.approx(-tensor["scale"][0] * tensor["zero_point"][0], rel=1e-6)
    assert record["levels"] == 16


def test_unknown_names_are_refused() -> None:
    with pytest.raises(OptionError, match="no layer or tensor is named 'nothing'"):
        Plots(digits()).histogram("nothing")


def test_without_values_there_is_no_histogram() -> None:
    result = quantized()
    with pytest.raises(OptionError, match="verify"):
        result.plot.histogram(result.layers[0].name)


def test_a_result_has_html_for_notebooks() -> None:
    result = quantized(evaluate=samples(seed=1), verify=True, target="octavo")
    assert "conv_c" in result._repr_html_()
