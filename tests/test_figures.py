"""The figures of the documents show what the code computes, and the pages include all of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo.affine import GRIDS, dequantize, quantize, real_range
from octavo.ranges import RangeSketch, estimator

pytest.importorskip("altair", reason="the figures need altair: pip install 'octavo[docs]'")
pytest.importorskip("vl_convert", reason="the figures need vl-convert-python: pip install 'octavo[docs]'")

from docs.figures import FIGURES
from docs.figures.grid import PARAMS
from docs.figures.sketch import MANTISSA_BITS
from docs.figures.sketch import VALUES as SPREAD_OUT
from docs.figures.sqnr import BITS, DB_A_BIT, SHAPES
from docs.figures.style import THEMES, WIDTH, svg
from docs.figures.tradeoff import ESTIMATORS, mean_squared_error
from docs.figures.tradeoff import GRIDS as COMPARED
from docs.figures.tradeoff import VALUES as LONG_TAILED

DOCS = Path(__file__).parents[1] / "docs"


@cache
def tables(name: str) -> dict[str, list[dict[str, Any]]]:
    """The rows that a figure draws, by table name, read from the chart itself."""
    rows = {}
    for layer in FIGURES[name]().to_dict()["layer"]:
        rows[layer["data"]["name"]] = layer["data"]["values"]
    return rows


def column(rows: list[dict[str, Any]], name: str) -> NDArray[Any]:
    return np.array([row[name] for row in rows])


def test_pages_name_every_figure_once() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md"))
    assert sorted(re.findall(r"\(figures/(\w+)\.py\)", pages)) == sorted(FIGURES)


def test_every_image_of_the_page_is_generated_and_described() -> None:
    pytest.importorskip("mkdocs", reason="the hook needs mkdocs: pip install 'octavo[docs]'")
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    config = MkDocsConfig()
    hook = str(DOCS / "figures_hook.py")
    config.load_dict({"site_name": "Octavo", "docs_dir": str(DOCS), "plugins": [], "hooks": [hook]})
    assert config.validate() == ([], [])
    generated = config.plugins.run_event("files", Files([]), config=config)
    source = (DOCS / "mathematics.md").read_text(encoding="utf-8")
    page = config.plugins.run_event("page_markdown", source, page=None, config=config, files=generated)
    images = re.findall(r"!\[([^\]]+)\]\((assets/[^)#]+)#only-(\w+)\)", page)
    assert sorted(path for _, path, _ in images) == sorted(file.src_uri for file in generated)
    assert {theme for *_, theme in images} == set(THEMES)
    assert all(path.endswith(f"-{theme}.svg") and len(alt) > 80 for alt, path, theme in images)


@pytest.mark.parametrize("name", FIGURES)
def test_svgs_have_the_width_and_colours_of_the_page(name: str) -> None:
    light, dark = (svg(FIGURES[name](), theme) for theme in THEMES)
    assert light != dark
    for image in (light, dark):
        root = ElementTree.fromstring(image)
        assert root.attrib["width"] == str(WIDTH)
        # Default black or white would be invisible in light or dark mode.
        assert not re.search(r'(fill|stroke)="(black|white|#000|#fff|#4c78a8)', image)


def test_staircase_is_quantize_then_dequantize() -> None:
    rows = tables("grid")["staircase"]
    np.testing.assert_array_equal(column(rows, "y"), dequantize(quantize(column(rows, "x"), PARAMS), PARAMS))
    assert len(set(column(rows, "y"))) == PARAMS.grid.levels


def test_zero_point_and_integers_are_those_of_the_grid() -> None:
    (zero,) = tables("grid")["zero point"]
    assert (zero["x"], zero["y"]) == (0.0, float(dequantize(PARAMS.zero_point, PARAMS)))
    assert zero["label"].endswith(f"Z = {int(PARAMS.zero_point)}")
    levels = tables("grid")["integers"]
    np.testing.assert_array_equal(column(levels, "y"), dequantize(column(levels, "q"), PARAMS))


def test_error_is_within_half_a_step_except_for_clipped_values() -> None:
    rows, bound = tables("error")["error"], column(tables("error")["bound"], "y")
    x, y, clipped = column(rows, "x"), column(rows, "y"), column(rows, "kind") == "clipping"
    np.testing.assert_array_equal(y, x - dequantize(quantize(x, PARAMS), PARAMS))
    np.testing.assert_allclose(np.sort(bound), [-PARAMS.scale / 2, PARAMS.scale / 2])
    assert np.all(np.abs(y[~clipped]) <= bound.max() + 1e-6)
    np.testing.assert_allclose(y[clipped], (x - np.clip(x, *real_range(PARAMS)))[clipped], atol=1e-6)
    assert clipped.any()
    assert np.abs(y[clipped]).max() > bound.max()


@pytest.mark.parametrize("grid", COMPARED, ids=str)
def test_mse_chooses_the_minimum_of_the_curve(grid: Any) -> None:
    curve = [row for row in tables("tradeoff")["curves"] if row["grid"] == str(grid)]
    (chosen,) = (r for r in tables("tradeoff")["choices"] if (r["grid"], r["estimator"]) == (str(grid), "mse"))
    assert chosen["mse"] <= 1.02 * column(curve, "mse").min()
    # The minimum is inside the curve, which shows the trade-off.
    assert 0 < np.argmin(column(curve, "mse")) < len(curve) - 1


def test_choices_are_the_estimators_and_lie_on_their_curves() -> None:
    sketch = RangeSketch()
    sketch.update(LONG_TAILED)
    choices = tables("tradeoff")["choices"]
    assert len(choices) == len(COMPARED) * len(ESTIMATORS)
    for row in choices:
        grid = GRIDS[row["grid"]]
        low, high = estimator(row["estimator"]).range(sketch, grid, symmetric=True)
        assert row["r"] == max(-low, high)
        assert row["mse"] == mean_squared_error(row["r"], grid)
        curve = [point for point in tables("tradeoff")["curves"] if point["grid"] == row["grid"]]
        assert row["mse"] == pytest.approx(np.interp(row["r"], column(curve, "r"), column(curve, "mse")), rel=0.02)


def test_bins_are_those_of_the_sketch_and_contain_all_values() -> None:
    sketch = RangeSketch()
    sketch.update(SPREAD_OUT)
    low, high, counts = sketch.histogram(MANTISSA_BITS)
    fine, equal = tables("sketch")["log-linear"], tables("sketch")["equal"]
    np.testing.assert_array_equal(column(fine, "low"), low)
    np.testing.assert_array_equal(column(fine, "high"), high)
    np.testing.assert_allclose(areas(fine), counts / SPREAD_OUT.size)
    assert len(equal) == len(fine)
    assert areas(equal).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(np.diff(column(equal, "high")), SPREAD_OUT.max() / len(equal), rtol=1e-6)


def areas(bars: list[dict[str, Any]]) -> NDArray[np.float64]:
    return np.asarray(column(bars, "height") * np.log2(column(bars, "high") / column(bars, "low")))


def test_sqnr_follows_the_line_where_values_are_uniform_and_lies_below_it_with_tails() -> None:
    rows, line = tables("sqnr")["measured"], column(tables("sqnr")["line"], "db")
    curves = {shape: column([row for row in rows if row["shape"] == shape], "db") for shape in SHAPES}
    np.testing.assert_allclose(line, 20 * np.log10(2.0 ** np.array(BITS)))
    assert pytest.approx(6.02, abs=0.005) == DB_A_BIT
    # With few levels, the one that is lost to the exact zero is noticeable.
    np.testing.assert_allclose(curves["uniform"][4:], line[4:], atol=0.5)
    assert np.all(curves["uniform"] > curves["Gaussian"])
    assert np.all(curves["Gaussian"] > curves["Laplace"])
    assert all(np.all(np.diff(curve) > 3.0) for curve in curves.values())
