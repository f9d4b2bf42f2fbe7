"""The HTML page as text: self-contained, all names escaped, and the same figures as terminal and JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers import models
from tests.helpers.consoles import rendered
from tests.helpers.jobs import quantized, samples, stated
from tests.helpers.results import ATTACK, attacked, digits, large

import octavo
from octavo.errors import DependencyError, OptionError
from octavo.measure.compare import ComparedTensor, Comparison
from octavo.measure.layers import TensorError
from octavo.report import summary
from octavo.report.html import comparison_page, read_result, result_fragment, result_page, schema
from octavo.report.html.colors import color
from octavo.report.html.library import vega
from octavo.report.html.panel import derivation
from octavo.report.plain import plain
from octavo.report.terminal.result import show_result
from octavo.system.digits import decimals, fixed

pytest.importorskip("altair")
pytest.importorskip("vl_convert")


QUANTIZED = [
    *((pattern, "octavo", None) for pattern in sorted(set(models.PATTERNS) - {"if_subgraph"})),  # takes a lone number
    ("mlp", "weight-only-int4", None),
    ("conv_relu", "octavo", "moving_average"),
    ("conv_relu", "fbgemm", None),
]


class Text(HTMLParser):
    """The words of a page, without its scripts; and the addresses that it names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def page() -> str:
    return result_page(digits(), "digits.int8.onnx")


def test_the_page_is_self_contained(page: str) -> None:
    assert all(address.startswith(("#", "data:,")) for address in Text(page).addresses)
    assert "default-src 'none'" in page
    assert len(page.encode()) < 1.5e6


def test_every_section_is_present(page: str) -> None:
    sections = ["result", "rungs", "network", "error", "sensitivity", "pareto", "layers", "float", "provenance"]
    assert set(sections) <= set(Text(page).ids)
    assert set(re.findall(r'data-chart="(\w+)"', page)) == {"drop", "layers", "sensitivity", "pareto"}


def test_terminal_page_and_json_have_the_same_figures(tmp_path: Path) -> None:
    result = quantized(evaluate=samples(seed=1), verify=True, target="octavo")
    result.write_json(tmp_path / "result.json")
    stored = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    shown = Text(result_page(read_result(tmp_path / "result.json"), "model")).text
    printed = rendered(show_result, result.to_dict(), Path("out.onnx"), width=250)
    expected = [summary.headline(stored), summary.kinds(stored), summary.proof_line(stored), summary.spent(stored)]
    for row in summary.figures(stored):
        expected += [row.float_value, row.quantized_value, row.note]
    for layer in summary.worst_layers(stored):
        expected += [layer.sqnr, layer.share, layer.name]
    assert [text for text in expected if text not in shown] == []
    assert [text for text in expected if text not in printed] == []
    metric = stored["metric"]
    assert f"drop {fixed(metric['drop'], decimals(metric['drop_ci95'], 'points'))} points" in shown
    assert f"{stored['layers'][0]['sqnr_db']:.1f} dB" in printed


def test_the_page_of_a_result_is_that_of_its_json(tmp_path: Path) -> None:
    result = quantized(evaluate=samples(seed=1), verify=True, target="octavo")
    result.write_json(tmp_path / "result.json")
    result.report(tmp_path / "page.html", title="model")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page == result_page(read_result(tmp_path / "result.json"), "model")
    with pytest.raises(OptionError, match="exists"):
        result.report(tmp_path / "page.html")
    result.report(tmp_path / "page.html", overwrite=True)


def test_names_are_escaped() -> None:
    page, result = result_page(attacked(), ATTACK), attacked()
    assert ATTACK not in page
    assert "<script>document" not in page
    assert page.count(escape(ATTACK, quote=False)[:20]) > 10
    contents = re.search(r'<script id="contents" type="application/json">(.*?)</script>', page, re.DOTALL)
    assert contents is not None
    assert [layer["name"] for layer in json.loads(contents[1])["layers"]] == [e["name"] for e in result["layers"]]
    assert ATTACK not in result_fragment(result)


def test_a_minimal_result_has_a_page() -> None:
    bare = stated(size_bytes={"float": 400, "quantized": 100}, versions={"octavo": "1"}).to_dict()
    text = Text(result_page(bare, "model")).text
    assert "accuracy was not measured" in text
    assert "Operators in float None." in text
    assert "Only plain quantization was run" in text
    assert "Error through the network Not measured." in text


@pytest.mark.parametrize(("pattern", "target", "estimator"), QUANTIZED)
def test_every_pattern_has_a_page(pattern: str, target: str, estimator: str | None, tmp_path: Path) -> None:
    proto = models.PATTERNS[pattern]()
    result = octavo.quantize(proto, [models.feeds(proto)], target, estimator=estimator)
    result.write_json(tmp_path / "result.json")
    text = Text(result_page(read_result(tmp_path / "result.json"), pattern)).text
    assert all(layer.name in text for layer in result.layers)
    assert result_fragment(result.to_dict())


def test_work_and_size_of_the_page_are_linear_in_the_layers() -> None:
    vega()  # read before anything is counted
    small_result, large_result = large(50), large(200)
    assert calls_of(lambda: result_page(large_result, "large")) < 4.5 * calls_of(
        lambda: result_page(small_result, "large")
    )
    assert len(result_page(large_result, "large").encode()) < 3e6


def calls_of(attempt: Callable[[], Any]) -> int:
    """How many Python and C functions an attempt calls."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        attempt()
    finally:
        sys.setprofile(None)
    return calls


def test_the_derivation_gives_the_stored_parameters() -> None:
    result = digits()
    derivations = 0
    for layer in result["layers"]:
        for tensor in [*layer["inputs"], *layer["weights"]]:
            shown = derivation(tensor, result["tensors"].get(tensor["tensor"]))
            if shown["title"].startswith("Derivation of"):
                derivations += 1
                values = result["tensors"][tensor["tensor"]]
                scale = float(np.float32(tensor["scale"][values["channel"] or 0]))
                assert f"S = {scale:.17g}" in [step[2] for step in shown["steps"]]
    assert derivations >= len(result["layers"])


def test_trained_parameters_are_not_derived_from_a_range() -> None:
    tensor = {"tensor": "t", "grid": "uint8", "scale": [0.5], "zero_point": [3], "axis": None, "estimator": "trained"}
    steps = derivation(tensor, None)["steps"]
    assert steps[0][2] == "S = 0.5, Z = 3"
    assert steps[1][2] == "[-1.5, 126]"


def test_colors_rise_in_lightness() -> None:
    def lightness(text: str) -> float:
        return sum(int(text[i : i + 2], 16) * part for i, part in ((1, 0.2126), (3, 0.7152), (5, 0.0722)))

    values = [lightness(color(ratio)) for ratio in np.linspace(0, 50, 40)]
    assert values == sorted(values)
    assert color(-100.0) == color(0.0)
    assert color(200.0) == color(50.0)


def test_the_fragment_shows_verdict_and_strip_without_scripts() -> None:
    result = digits()
    fragment = result_fragment(result)
    assert "<script" not in fragment
    assert Text(fragment).text.startswith(summary.headline(result))
    assert fragment.count("width:12px") == len(result["layers"]) + len(result["left_float"])


def tensor(name: str, sqnr_db: float) -> ComparedTensor:
    return ComparedTensor(name, "Conv", f"conv_{name}", TensorError(sqnr_db, 0.99, None, 0.0, np.zeros(0), 0.0))


def test_a_comparison_page_has_one_column_per_model() -> None:
    one = Comparison([tensor("y", 30.25)], [tensor("a", 40.0), tensor(ATTACK, 35.0)])
    two = Comparison([tensor("y", 20.75)], [tensor("a", 25.0)])
    page = comparison_page("float.onnx", ["same.onnx", "same.onnx"], plain([one, two]), ["1 MB", "300 kB", "200 kB"])
    text = Text(page).text
    assert "same.onnx (1) 30.2 dB at y; same.onnx (2) 20.8 dB at y" in text
    assert all(figure in text for figure in ("1 MB", "300 kB", "200 kB", "40.0 dB", "25.0 dB", "35.0 dB"))
    assert ATTACK not in page


def test_models_without_shared_tensors_have_a_page() -> None:
    page = comparison_page("a.onnx", ["b.onnx"], plain([Comparison([], [])]), ["1 MB", "1 MB"])
    assert "share no tensor names" in Text(page).text


def test_a_written_result_fits_its_schema(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(digits()), encoding="utf-8")
    assert read_result(path) == digits()
    assert set(schema()["required"]) == set(digits())


BROKEN: dict[str, Any] = {
    "a list": [],
    "a number": 3,
    "no layers": {key: value for key, value in stated(versions={"octavo": "1"}).to_dict().items() if key != "layers"},
}


@pytest.mark.parametrize("name", BROKEN)
def test_other_json_is_refused_with_one_sentence(name: str, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text(json.dumps(BROKEN[name]), encoding="utf-8")
    with pytest.raises(OptionError, match="is not a result of this version of Octavo: at") as caught:
        read_result(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda r: r["layers"][0].update(sqnr_db="high"), r"layers\[0\]"),
        (lambda r: r["layers"][0]["inputs"][0].update(scale=[]), r"layers\[0\]"),
        (lambda r: r["layers"][0]["inputs"][0].update(scale=[-1.0]), r"layers\[0\]"),
        (lambda r: r["layers"][0]["inputs"][0].update(zero_point=[0, 0]), "different numbers"),
        (lambda r: r["layers"][0]["inputs"][0].update(scale=[1e300]), r"layers\[0\]"),
        (lambda r: r["size_bytes"].update(quantized=0), "size_bytes"),
        (lambda r: next(iter(r["tensors"].values())).update(channel=10**6), "no channel"),
        (lambda r: r["layers"][0]["inputs"][0].update(grid="uint8[9,3]"), "uint8"),
        (lambda r: next(iter(r["tensors"].values()))["histogram"].update(shares=[]), "tensors"),
    ],
)
def test_an_invalid_result_is_refused_with_its_json_path(change: Any, where: str, tmp_path: Path) -> None:
    result = digits()
    change(result)
    path = tmp_path / "damaged.json"
    path.write_text(json.dumps(result), encoding="utf-8")
    with pytest.raises(OptionError, match=where):
        result_page(read_result(path), "damaged")


@pytest.mark.parametrize("text", ["", "{", "NaN", '{"a": Infinity}', "[1e400]", "[" + "9" * 400 + "]", "[" * 100_000])
def test_invalid_json_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "text.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError, match="is not JSON"):
        read_result(path)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(DependencyError, match=r"octavo\[report\]"):
        result_page(digits(), "digits")
    assert result_fragment(digits())


def test_vega_is_bundled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "bundle")
    assert vega() == "bundle"
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "another")
    assert vega() == "bundle"
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert vega() == "another"
