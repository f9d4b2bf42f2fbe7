"""The interface of an input format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.data.preprocess import Preprocess
from octavo.data.samples import Arrays, Source
from octavo.graph.spec import TensorSpec


def _no_peek(source: Any) -> None:
    """Default of `Format.peek`."""


@dataclass(frozen=True)
class Format:
    """One way to store or hand over samples.

    Attributes:
        name: unique name.
        description: noun phrase for error messages ("a .npz file").
        accepts: whether a source has this format; paths arrive as `pathlib.Path` and exist.
        open: (source, model inputs, preprocessing) -> samples.
        example: (empty folder, arrays) -> a source of this format that holds the arrays, one row per sample; the
            contract tests read it back. Entries other than the inputs may be dropped where the format has no
            place for them.
        peek: source -> its first sample or batch (a dict, an array or a tuple of arrays), read without consuming the
            source and without knowing the model's inputs; None where the format cannot do that.
    """

    name: str
    description: str
    accepts: Callable[[Any], bool]
    open: Callable[[Any, Sequence[TensorSpec], Preprocess], Source]
    example: Callable[[Path, Arrays], Any]
    peek: Callable[[Any], Any] = _no_peek


def has_suffix(source: Any, suffix: str) -> bool:
    """Whether the source is the path of a file with this suffix, in either case."""
    return isinstance(source, Path) and source.suffix.lower() == suffix and not source.is_dir()
