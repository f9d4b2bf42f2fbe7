"""`octavo inspect`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from octavo.cli.models import open_model
from octavo.cli.options import BUNDLE, Exclude, ModelPath, TargetName
from octavo.report.terminal.console import stdout


def command(model: ModelPath, target: TargetName = "auto", exclude: Exclude = None) -> None:
    """Show what becomes of each operator of a model and why, sizes, and overflow bounds.

    For a bundle, show its operators and its memory plan.
    """
    if model.suffix == BUNDLE:
        _show_bundle(model)
    else:
        _show_model(model, target, exclude or ())


def _show_model(model: Path, target: str, exclude: Sequence[str]) -> None:
    import octavo
    from octavo.report.plain import plain
    from octavo.report.terminal.inspection import show_inspection

    show_inspection(stdout(), plain(octavo.inspect(open_model(model), target, exclude)))


def _show_bundle(path: Path) -> None:
    import octavo
    from octavo.compiler import read_bundle
    from octavo.report.plain import plain
    from octavo.report.terminal.bundle import show_bundle

    # The runtime checks the file, so that its tables can be read without checks.
    session = octavo.load(path)
    show_bundle(stdout(), plain(read_bundle(path.read_bytes())), session.memory_bytes)
