"""Parse the options that set sizes of dynamic dimensions."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.errors import OptionError


def parse_dims(texts: Sequence[str] | None) -> dict[str, int]:
    """Sizes by dimension name, from NAME=SIZE.

    Raises:
        OptionError: a text has another form.
    """
    return dict(_dim(text) for text in texts or ())


def parse_dims_or_bounds(texts: Sequence[str] | None) -> dict[str, int | tuple[int, int]]:
    """Sizes, or the smallest and the largest size, by dimension name, from NAME=SIZE and NAME=MIN..MAX.

    Raises:
        OptionError: a text has another form.
    """
    return dict(_dim_or_bounds(text) for text in texts or ())


def _dim_or_bounds(text: str) -> tuple[str, int | tuple[int, int]]:
    name, _, bounds = text.partition("=")
    low, dots, high = bounds.partition("..")
    if not dots:
        return _dim(text)
    if not name or not low.isdigit() or not high.isdigit():
        raise OptionError(f"--dim {text} is not NAME=MIN..MAX; write for example sequence=1..512")
    return name, (int(low), int(high))


def _dim(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not name or not size.isdigit() or int(size) < 1:
        raise OptionError(f"--dim {text} is not NAME=SIZE; write for example sequence=128")
    return name, int(size)
