"""MkDocs hook: draws the figures when the site is built, and puts them where a page names their code.

`![alt](figures/NAME.py)` becomes two images, for the light and the dark page, of which the theme shows one: an
image does not know the colours of the page around it.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from figures import FIGURES
from figures.style import THEMES, svg
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_IMAGE = re.compile(r"!\[([^\]]+)\]\(((?:\.\./)*)figures/(\w+)\.py\)")


def on_files(files: Files, config: MkDocsConfig, **_: Any) -> Files:
    """The site's files with every figure, once a theme."""
    for name in FIGURES:
        for theme in THEMES:
            files.append(File.generated(config, f"assets/figures/{name}-{theme}.svg", content=_drawn(name, theme)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with images in place of the code that draws them."""
    return _IMAGE.sub(_images, markdown)


def _images(found: re.Match[str]) -> str:
    alt, up, name = found.groups()
    return "".join(f"![{alt}]({up}assets/figures/{name}-{theme}.svg#only-{theme})" for theme in THEMES)


@cache
def _drawn(name: str, theme: str) -> str:
    """Kept, because `mkdocs serve` builds again at every change of a page."""
    return svg(FIGURES[name](), theme)
