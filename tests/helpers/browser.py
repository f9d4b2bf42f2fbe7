"""Headless Chromium, if it is installed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Any]:
    """A Selenium driver of Chromium; skips the test if either is missing."""
    webdriver = pytest.importorskip("selenium.webdriver")
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("Chromium and its driver are not installed (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory() as profile:
        for argument in (*_QUIET, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield session
        finally:
            session.quit()


def shape(driver: Any, width: int = 1200, *, dark: bool = False) -> None:
    """Set the window width and the preferred color scheme."""
    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    colours = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [colours]})


def visit(driver: Any, page: Path) -> None:
    """Open a page and wait until its charts are drawn."""
    driver.get_log("browser")
    driver.get(page.as_uri())
    wait_for_charts(driver)


def wait_for_charts(driver: Any) -> None:
    """Wait until all charts of the page are drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    count = "return [...document.querySelectorAll('.chart')].every((each) => each.querySelector('svg'))"
    WebDriverWait(driver, 20).until(lambda driver: driver.execute_script(count))


def complaints(driver: Any) -> list[str]:
    """The messages in the console."""
    return [entry["message"] for entry in driver.get_log("browser")]
