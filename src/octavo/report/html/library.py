"""The plotting library: Vega-Altair, with Vega's own code for pages that need no network."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from octavo.errors import DependencyError, OptionError
from octavo.system.files import write_text

# Colours that the colour-blind tell apart (Okabe and Ito 2008), legible on light and on dark ground.
BLUE, ORANGE, GREEN, RED, GREY = "#3b8fd0", "#e69f00", "#009e73", "#d55e00", "#888888"


def altair() -> Any:
    """The package altair.

    Raises:
        DependencyError: it is not installed.
    """
    try:
        return importlib.import_module("altair")
    except ImportError:
        raise DependencyError("the plotting library Altair", "report") from None


def vega() -> str:
    """The JavaScript of Vega, Vega-Lite and vega-embed in one piece; it takes seconds to bundle and is then kept.

    Raises:
        DependencyError: the package vl-convert-python is not installed.
    """
    try:
        bundler: Any = importlib.import_module("vl_convert")
    except ImportError:
        raise DependencyError("vl-convert-python, which carries Vega,", "report") from None
    kept = _cache() / f"vega-{bundler.__version__}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        bundle = str(bundler.javascript_bundle())
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, bundle)
    except (OSError, OptionError):
        # A home that cannot be written costs the time again, no more.
        pass
    return bundle


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "octavo"
