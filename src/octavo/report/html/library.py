"""The plotting library Altair, and the JavaScript of Vega for pages that need no network."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from octavo.errors import DependencyError, OptionError
from octavo.system.files import write_text

# Safe for color blindness (Okabe and Ito 2008), and legible on a light and a dark background.
BLUE, ORANGE, GREEN, RED, GREY = "#3b8fd0", "#e69f00", "#009e73", "#d55e00", "#888888"


def altair() -> Any:
    """Import altair.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return importlib.import_module("altair")
    except ImportError:
        raise DependencyError("the plotting library Altair", "report") from None


def vega() -> str:
    """The JavaScript of Vega, Vega-Lite and vega-embed, bundled once (in seconds) and then cached.

    Raises:
        DependencyError: the package vl-convert-python is not installed.
    """
    try:
        bundler: Any = importlib.import_module("vl_convert")
    except ImportError:
        raise DependencyError("vl-convert-python, which carries Vega,", "report") from None
    cache_file = _cache() / f"vega-{bundler.__version__}.js"
    try:
        return cache_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        bundle = str(bundler.javascript_bundle())
    try:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        write_text(cache_file, bundle)
    except (OSError, OptionError):
        # Without a writable cache the next call bundles again.
        pass
    return bundle


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "octavo"
