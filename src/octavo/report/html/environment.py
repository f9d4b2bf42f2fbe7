"""Templates become text here, with everything that a user named escaped."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

_BACKQUOTED = re.compile(r"`([^`]+)`")

# Colours follow the page's own, so that charts change with it to dark, and to paper.
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
    """The template's text.

    Args:
        template: a file of `templates`.
        contents: what it shows.
    """
    return _environment().get_template(template).render(**contents)


def chart(drawn: Any, description: str) -> dict[str, Any]:
    """A chart of Altair's as the page embeds it: as wide as its place, with its alternative text."""
    sized = drawn.properties(width="container", autosize={"type": "fit-x", "contains": "padding"})
    return {**sized.to_dict(), "config": _CONFIG, "description": description}


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("octavo.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["json"] = _json
    made.filters["code"] = _code
    made.globals["file"] = _file
    return made


def _json(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end that element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _code(text: str) -> Markup:
    """The text, escaped, with the parts in backquotes as code."""
    return Markup(_BACKQUOTED.sub(r"<code>\1</code>", str(escape(text))))


def _file(name: str) -> Markup:
    """A file of ours beside the templates, as it is."""
    return Markup(files("octavo.report.html").joinpath("templates", name).read_text(encoding="utf-8"))
