"""`octavo inspect`."""

from __future__ import annotations

from pathlib import Path

from octavo.cli.models import open_model
from octavo.cli.options import BUNDLE, Exclude, ModelPath, TargetName
from octavo.report.terminal.console import stdout


def command(model: ModelPath, target: TargetName = "auto", exclude: Exclude = None) -> None:
    """Show a model's operators, which become integers and which do not and why, sizes, and overflow bounds.

    Of a bundle: its operators and its memory plan.
    """
    if model.suffix == BUNDLE:
        _inspect_bundle(model)
        return
    from octavo.pipeline.inspection import inspect as look
    from octavo.report.terminal.inspection import show_inspection
    from octavo.targets import target as find_target

    show_inspection(stdout(), look(open_model(model), find_target(target), exclude or ()))


def _inspect_bundle(path: Path) -> None:
    from octavo.compiler import read_bundle
    from octavo.engines.native import load
    from octavo.report.terminal.bundle import show_bundle

    # The runtime checks what is then read.
    session = load(path)
    show_bundle(stdout(), read_bundle(path.read_bytes()), session.memory_bytes)
