"""The HTML page in headless Chromium: mouse and keyboard, light and dark mode, wide and narrow screens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.browser import chromium, complaints, shape, visit, wait_for_charts
from tests.helpers.results import ATTACK, attacked, digits, large

from octavo.measure.compare import ComparedTensor, Comparison
from octavo.measure.layers import TensorError
from octavo.report.html import comparison_page, result_page
from octavo.report.plain import plain

pytest.importorskip("altair")
pytest.importorskip("vl_convert")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages."""
    folder = tmp_path_factory.mktemp("pages")
    error = TensorError(30.0, 0.99, None, 0.0, np.zeros(0), 0.0)
    tensors = [ComparedTensor(name, "Conv", name, error) for name in ("first", "second", ATTACK)]
    comparisons = plain([Comparison(tensors[:1], tensors[1:])] * 2)
    texts = {
        "digits": result_page(digits(), "digits.int8.onnx"),
        "attacked": result_page(attacked(), ATTACK),
        "large": result_page(large(200), "large"),
        "comparison": comparison_page("float.onnx", ["one.onnx", "two.onnx"], comparisons, ["3 MB", "1 MB", "1 MB"]),
    }
    for name, page in texts.items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


def element(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def elements(driver: Any, selector: str) -> list[Any]:
    return driver.find_elements("css selector", selector)  # type: ignore[no-any-return]


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver.common.keys import Keys

    driver.switch_to.active_element.send_keys(*(getattr(Keys, key, key) for key in keys))


@pytest.mark.parametrize("name", ["digits", "attacked", "large", "comparison"])
@pytest.mark.parametrize("dark", [False, True])
def test_the_console_is_empty_and_nothing_is_fetched(driver: Any, pages: Path, name: str, dark: bool) -> None:
    shape(driver, dark=dark)
    driver.get_log("performance")
    visit(driver, pages / f"{name}.html")
    assert complaints(driver) == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    addresses = [
        event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in addresses if not url.startswith(("file:", "data:"))] == []


def test_a_layer_opens_by_click_and_shows_its_figures(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    panel, layer = element(driver, "#layer"), digits()["layers"][1]
    assert not panel.is_displayed()
    elements(driver, "button.cell")[1].click()
    wait_for_charts(driver)
    assert panel.is_displayed()
    assert layer["name"] in panel.text
    assert f"{layer['sqnr_db']:.1f} dB" in panel.text
    assert layer["output"]["tensor"] in panel.text
    assert len(elements(driver, "#layer figure svg")) >= 4
    element(driver, "#layer details summary").click()
    assert "qmin" in panel.text
    element(driver, "#layer .bar button").click()
    assert not panel.is_displayed()
    assert complaints(driver) == []


def test_the_keyboard_reaches_every_layer(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    layers = digits()["layers"]
    driver.execute_script("document.querySelector('button.cell').focus()")
    press(driver, "ARROW_RIGHT")
    press(driver, "ARROW_RIGHT")
    press(driver, "ENTER")
    wait_for_charts(driver)
    assert layers[2]["name"] in element(driver, "#layer").text
    press(driver, "ESCAPE")
    assert not element(driver, "#layer").is_displayed()
    focused = driver.switch_to.active_element
    assert focused.get_attribute("data-layer") == "2"
    press(driver, "END")
    press(driver, "SPACE")
    assert layers[-1]["name"] in element(driver, "#layer").text
    stops = driver.execute_script(
        "return [...document.querySelectorAll('button.cell')].filter((e) => e.tabIndex === 0).length"
    )
    assert stops == 1


def test_the_worst_layers_and_the_table_open_layers_too(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    for selector in ("[data-open]", "#table [data-layer]"):
        button = element(driver, selector)
        name = button.text.split()[-1]
        driver.execute_script("arguments[0].click()", button)
        assert name in element(driver, "#layer").text


def test_layers_are_searched_and_sorted(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    result = digits()
    element(driver, "#search").send_keys("add")
    shown = [row for row in elements(driver, "#table tbody tr") if row.is_displayed()]
    count = sum("add" in layer["name"].lower() or "add" in layer["op"].lower() for layer in result["layers"])
    assert len(shown) == count > 0
    assert element(driver, "#found").text == f"{count} found"
    element(driver, "#search").clear()
    press(driver, "BACKSPACE")
    heading = elements(driver, "#table th button")[4]
    heading.click()
    order = [int(row.get_attribute("data-place")) for row in elements(driver, "#table tbody tr")]
    assert order == sorted(range(len(order)), key=lambda index: result["layers"][index]["sqnr_db"])
    heading.click()
    reversed_order = [int(row.get_attribute("data-place")) for row in elements(driver, "#table tbody tr")]
    assert [result["layers"][index]["sqnr_db"] for index in reversed_order] == [
        result["layers"][index]["sqnr_db"] for index in order[::-1]
    ]
    assert elements(driver, "#table th")[4].get_attribute("aria-sort") == "descending"


def test_a_layer_name_with_markup_is_shown_as_text(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "attacked.html")
    for cell in elements(driver, "button.cell"):
        driver.execute_script("arguments[0].click()", cell)
        wait_for_charts(driver)
    assert driver.title != "broken"
    assert ATTACK in element(driver, "#layer").text
    assert ATTACK in element(driver, "h1").text
    assert len(elements(driver, "script")) == 3
    assert complaints(driver) == []


@pytest.mark.parametrize("name", ["digits", "attacked", "comparison"])
def test_a_narrow_screen_does_not_scroll_horizontally(driver: Any, pages: Path, name: str) -> None:
    shape(driver, width=360)
    visit(driver, pages / f"{name}.html")
    if name != "comparison":
        driver.execute_script("arguments[0].click()", elements(driver, "button.cell")[2])
        wait_for_charts(driver)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 360


def test_dark_and_light_mode_have_enough_contrast(driver: Any, pages: Path) -> None:
    for dark in (False, True):
        shape(driver, dark=dark)
        visit(driver, pages / "digits.html")
        style = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        ground, text = (lightness(color) for color in driver.execute_script(style))
        assert (ground < text) == dark
        assert (max(ground, text) + 0.05) / (min(ground, text) + 0.05) > 7  # WCAG's ratio for enhanced contrast
        label = driver.execute_script("return getComputedStyle(document.querySelector('.chart svg text')).fill")
        assert abs(lightness(label) - text) < 0.05


def lightness(color: str) -> float:
    """Relative luminance of a color as CSS computes it (WCAG 2.2)."""
    parts = [int(part) / 255 for part in color[color.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_charts_have_alternative_texts(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    elements(driver, "button.cell")[0].click()
    wait_for_charts(driver)
    labels = [element.get_attribute("aria-label") for element in elements(driver, ".chart[role='graphics-document']")]
    assert len(labels) == len(elements(driver, ".chart"))
    assert all(len(label) > 20 for label in labels)


def test_derivations_are_open_in_print(driver: Any, pages: Path) -> None:
    shape(driver)
    visit(driver, pages / "digits.html")
    elements(driver, "button.cell")[0].click()
    driver.execute_cdp_cmd("Page.printToPDF", {})
    assert driver.execute_script("return [...document.querySelectorAll('details')].every((each) => each.open)")
