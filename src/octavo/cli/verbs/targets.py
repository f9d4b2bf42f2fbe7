"""`octavo targets`."""

from __future__ import annotations

from octavo.report.terminal.console import stdout


def command() -> None:
    """Show what each target accepts."""
    from octavo.report.plain import plain
    from octavo.report.terminal.targets import show_targets
    from octavo.targets import target, target_names, this_machine

    show_targets(stdout(), [plain(target(name)) for name in target_names()], this_machine())
