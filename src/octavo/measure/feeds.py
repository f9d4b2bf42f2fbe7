"""Inputs for timing, where the user has none at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from octavo.data import Arrays
from octavo.errors import OptionError
from octavo.graph import TensorSpec

_DYNAMIC = 128


def random_feeds(
    specs: Sequence[TensorSpec], batch: int, dims: Mapping[str, int] | None = None, seed: int = 0
) -> Arrays:
    """Arrays that fit the inputs: normal for floats, ones for integers (always a valid index or mask).

    Args:
        specs: the model's inputs.
        batch: the size of a dynamic first axis.
        dims: sizes of dynamic dimensions by their symbol; 128 where nothing is said.
        seed: of the random numbers.

    Raises:
        OptionError: a symbol in `dims` is not one of the model's.
    """
    rng, given = np.random.default_rng(seed), dict(dims or {})
    symbols = {dim for spec in specs for dim in spec.shape if isinstance(dim, str)}
    unknown = sorted(set(given) - symbols)
    if unknown:
        raise OptionError(
            f"the model has no dynamic dimension '{unknown[0]}'; it has {', '.join(sorted(symbols)) or 'none'}"
        )
    feeds: Arrays = {}
    for spec in specs:
        shape = [_size(dim, axis, batch, given) for axis, dim in enumerate(spec.shape)]
        random = rng.standard_normal(shape, dtype=np.float32) if spec.dtype.kind == "f" else np.ones(shape)
        feeds[spec.name] = random.astype(spec.dtype)
    return feeds


def _size(dim: int | str | None, axis: int, batch: int, given: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    if dim is not None and dim in given:
        return given[dim]
    return batch if axis == 0 else _DYNAMIC
