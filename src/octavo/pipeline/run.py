"""Run a bundle once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from octavo.data import FilePath
from octavo.data.array_files import read_arrays
from octavo.engines.native import NativeSession
from octavo.errors import DataError


def run(
    bundle: FilePath, inputs: FilePath | NDArray[Any] | Mapping[str, NDArray[Any]], *, threads: int = 1
) -> dict[str, NDArray[Any]]:
    """Run a bundle once in the native runtime; `octavo.load` keeps a session for many runs.

    Args:
        bundle: path of the bundle.
        inputs: arrays by input name, the array of a model with one input, or the path of a .npy or .npz file.
        threads: number of threads; results do not depend on it.

    Returns:
        The outputs by name.

    Raises:
        ModelError: the bundle cannot be read or is not valid.
        DataError: the inputs cannot be read or do not fit the model.
        OptionError: `threads` is not between 1 and 256.
    """
    session = NativeSession(bundle, threads=threads)
    names = [spec.name for spec in session.inputs]
    if isinstance(inputs, str | os.PathLike):
        return session.run(read_arrays(Path(inputs), names))
    if isinstance(inputs, Mapping):
        return session.run(inputs)
    if len(names) != 1:
        raise DataError(f"the model has {len(names)} inputs: {', '.join(names)}; give arrays by name")
    return session.run({names[0]: inputs})
