"""Checks of output paths, made before any work is done."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from octavo.errors import OptionError


def check_outputs(outputs: Sequence[Path | None], inputs: Sequence[Path | None], overwrite: bool) -> None:
    """Check that every output can be written and is neither an input nor another output.

    Args:
        outputs: paths of the files to write; None is ignored.
        inputs: paths of the files to read; None is ignored.
        overwrite: allow outputs that exist.

    Raises:
        OptionError: an output cannot be paths.
    """
    read = [path for path in inputs if path is not None and path.exists()]
    paths: set[Path] = set()
    for path in (path for path in outputs if path is not None):
        if path.exists() and any(path.samefile(other) for other in read):
            raise OptionError(f"{path} is an input of this command; choose another output")
        if path.resolve() in paths:
            raise OptionError(f"{path} is the path of two outputs; choose another path for one of them")
        paths.add(path.resolve())
        _check_output(path, overwrite)


def check_page(path: Path | None) -> None:
    """Check that the plotting library of the HTML page is installed, if a page is to be written.

    Raises:
        DependencyError: it is not.
    """
    if path is not None:
        from octavo.report.html.library import altair, vega

        altair()
        vega()


def _check_output(path: Path, overwrite: bool) -> None:
    if path.is_dir():
        raise OptionError(f"{path} is a folder; name the file to write")
    if path.exists() and not overwrite:
        raise OptionError(f"{path} exists; choose another path or add --force")
    if not path.parent.is_dir():
        raise OptionError(f"the folder of {path} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OptionError(f"the folder of {path} cannot be written; choose another path")
