"""Random inputs for timing."""

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
    """Arrays for the inputs: normally distributed floats, ones for integers (a valid index or mask).

    Args:
        specs: inputs of the model.
        batch: size of a dynamic axis 0.
        dims: sizes of dynamic dimensions by symbol; 128 by default.
        seed: random seed.

    Raises:
        OptionError: the model has no dimension of a symbol in `dims`.
    """
    rng, sizes = np.random.default_rng(seed), dict(dims or {})
    symbols = {dim for spec in specs for dim in spec.shape if isinstance(dim, str)}
    unknown = sorted(set(sizes) - symbols)
    if unknown:
        raise OptionError(
            f"the model has no dynamic dimension '{unknown[0]}'; it has {', '.join(sorted(symbols)) or 'none'}"
        )
    feeds: Arrays = {}
    for spec in specs:
        shape = [_size(dim, axis, batch, sizes) for axis, dim in enumerate(spec.shape)]
        random = rng.standard_normal(shape, dtype=np.float32) if spec.dtype.kind == "f" else np.ones(shape)
        feeds[spec.name] = random.astype(spec.dtype)
    return feeds


def _size(dim: int | str | None, axis: int, batch: int, sizes: Mapping[str, int]) -> int:
    if isinstance(dim, int):
        return dim
    if dim is not None and dim in sizes:
        return sizes[dim]
    return batch if axis == 0 else _DYNAMIC
