"""What can go wrong, as one small hierarchy; each message is one sentence: what, where, what to do."""

from __future__ import annotations


class OctavoError(Exception):
    """A fault of Octavo's own. The command line exits with `exit_code`."""

    exit_code = 1


class UserError(OctavoError):
    """Something given to Octavo cannot be used; the message says what to change."""

    exit_code = 2


class ModelError(UserError):
    """The model file is missing, damaged, or holds what cannot be handled."""


class DataError(UserError):
    """Calibration or evaluation data do not fit the model or hold no usable values."""


class TargetError(UserError):
    """A target is unknown, or the model breaks one of its rules."""


class OptionError(UserError):
    """An option, recipe or argument has a value that cannot be used."""


class DependencyError(UserError):
    """An optional dependency is missing; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'octavo[{extra}]'")


class BudgetNotMet(OctavoError):  # noqa: N818 - a verdict, not a fault
    """The best model found loses more accuracy than the budget allows."""

    exit_code = 3
