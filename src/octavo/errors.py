"""Exception hierarchy; each message is one sentence: what is wrong, where, what to do."""

from __future__ import annotations


class OctavoError(Exception):
    """Internal error; base class of all others. The command line exits with `exit_code`."""

    exit_code = 1


class UserError(OctavoError):
    """Invalid input; the message says what to change."""

    exit_code = 2


class ModelError(UserError):
    """The model file is missing, damaged or unsupported."""


class DataError(UserError):
    """Calibration or evaluation data do not match the model, or hold no usable values."""


class TargetError(UserError):
    """A target is unknown, or the model breaks one of its rules."""


class OptionError(UserError):
    """An option, a recipe field or an argument has an invalid value."""


class DependencyError(UserError):
    """An optional dependency is missing; the message names the extra to install."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with: pip install 'octavo[{extra}]'")


class BudgetNotMet(OctavoError):  # noqa: N818 - a verdict, not an error
    """The best model found loses more accuracy than the budget allows."""

    exit_code = 3
