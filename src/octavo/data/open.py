"""Make a checked set of samples of whatever the user has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from octavo.data.arrays import ArraySamples
from octavo.data.files import FileSamples
from octavo.data.images import ImageSamples
from octavo.data.iterables import IterableSamples, is_iterable
from octavo.data.preprocess import Preprocess
from octavo.data.samples import Source
from octavo.data.sampleset import SampleSet
from octavo.errors import DataError, OptionError
from octavo.graph.spec import TensorSpec


def open_samples(
    source: Any,
    inputs: Sequence[TensorSpec],
    *,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
) -> SampleSet:
    """Samples for a model with these inputs.

    Args:
        source: the path of a .npz, a .npy or a folder of images; an array or a dict of arrays whose
            first axis counts samples; or any iterable of dicts, arrays or tuples (a PyTorch
            DataLoader, a list, a generator), or an ONNX Runtime CalibrationDataReader. A SampleSet is
            returned as it is.
        inputs: what the model takes.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first so many samples only.

    Raises:
        DataError: the source is missing, damaged, empty, or does not fit the model.
        OptionError: `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"a limit of {limit} samples leaves none; give 1 or more")
    if isinstance(source, SampleSet):
        return source
    return SampleSet(_source(source, inputs, preprocess), inputs, preprocess, limit)


def _source(source: Any, inputs: Sequence[TensorSpec], preprocess: Preprocess | None) -> Source:
    if isinstance(source, str | os.PathLike):
        try:
            return _file(Path(source), inputs, preprocess)
        except OSError as error:
            raise DataError(f"{source} cannot be read ({error.strerror}); check path and permissions") from None
    if isinstance(source, np.ndarray | Mapping):
        return ArraySamples(source, inputs)
    if is_iterable(source):
        return IterableSamples(source, inputs)
    raise DataError(f"samples of type {type(source).__name__} cannot be read; give a path, arrays or an iterable")


def _file(path: Path, inputs: Sequence[TensorSpec], preprocess: Preprocess | None) -> Source:
    if not path.exists():
        raise DataError(f"data file {path} does not exist; check the path")
    if path.is_dir():
        return ImageSamples(path, inputs, preprocess or Preprocess())
    if path.stat().st_size == 0:
        raise DataError(f"data file {path} is empty; write it again")
    if path.suffix.lower() not in (".npz", ".npy"):
        raise DataError(f"data file {path} is of no known kind; give a .npz, a .npy or a folder of images")
    return FileSamples(path, inputs)
