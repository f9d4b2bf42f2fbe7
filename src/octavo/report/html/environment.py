"""Render the templates; all text is escaped."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_BACKQUOTED = re.compile(r"`([^`]+)`")

# The colors are those of the page, so that charts follow its dark mode and its print style.
_CONFIG: dict[str, Any] = {
    "background": None,
    "view": {"stroke": None},
    "axis": {
        **dict.fromkeys(("labelColor", "titleColor", "domainColor", "tickColor", "gridColor"), "currentColor"),
        "gridOpacity": 0.15,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor", "orient": "top", "labelFontSize": 12},
    "title": {"color": "currentColor", "fontWeight": "normal", "anchor": "start"},
    "font": "system-ui, sans-serif",
}


def rendered(template: str, **contents: Any) -> str:
    """Render a template.

    Args:
        template: name of a file in `templates`.
        contents: variables of the template.
    """
    return _environment().get_template(template).render(**contents)


def chart(figure: Any, description: str) -> dict[str, Any]:
    """The Vega-Lite specification of an Altair chart, as wide as its container, with an alternative text."""
    sized = figure.properties(width="container", autosize={"type": "fit-x", "contains": "padding"})
    return {**sized.to_dict(), "config": _CONFIG, "description": description}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("octavo.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = _json
    environment.filters["code"] = _code
    environment.globals["file"] = _file
    return environment


def _json(value: Any) -> Markup:
    """JSON for a script element, escaped so that no string in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _code(text: str) -> Markup:
    """The text, escaped, with the parts in backquotes as code."""
    return Markup(_BACKQUOTED.sub(r"<code>\1</code>", str(escape(text))))


def _file(name: str) -> Markup:
    """The text of a file beside the templates, not escaped."""
    return Markup(files("octavo.report.html").joinpath("templates", name).read_text(encoding="utf-8"))
