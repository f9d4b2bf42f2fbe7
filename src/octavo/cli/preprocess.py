"""Parse the options that say how stored samples become model inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from octavo.errors import OptionError

if TYPE_CHECKING:
    from octavo.data import Preprocess


def parse_preprocess(
    scale: float | None, offset: float, size: str | None, mean: str | None, std: str | None, layout: str
) -> Preprocess:
    """The preprocessing that the options --input-scale to --layout describe.

    Raises:
        OptionError: an option cannot be parsed.
    """
    from octavo.data import Preprocess

    return Preprocess(
        scale=scale,
        offset=offset,
        size=None if size is None else _size(size),
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        layout=layout,  # type: ignore[arg-type]
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    try:
        size = int(height), int(width or height)
    except ValueError:
        raise OptionError(f"--image-size {text} is not HEIGHTxWIDTH; write for example 224x224") from None
    if min(size) < 1:
        raise OptionError(f"--image-size {text} is empty; write for example 224x224")
    return size


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"{option} {text} is not a list of numbers; write for example 0.5,0.5,0.5") from None
