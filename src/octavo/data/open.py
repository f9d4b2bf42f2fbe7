"""Open the user's data as samples that are checked against the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from octavo.data.accepted import SampleSource
from octavo.data.formats.registry import format_of, readable
from octavo.data.preprocess import Preprocess
from octavo.data.sampleset import SampleSet
from octavo.errors import OptionError
from octavo.graph.spec import TensorSpec


def open_samples(
    source: SampleSource,
    inputs: Sequence[TensorSpec],
    *,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
) -> SampleSet:
    """Samples for a model with these inputs.

    Args:
        source: what one of the input formats accepts: the path of a .npz, a .npy or a folder of images; an array or
            a dict of arrays whose axis 0 counts samples; an iterable of dicts, arrays or tuples (a PyTorch
            DataLoader, a list, a generator); or an ONNX Runtime CalibrationDataReader. A SampleSet is returned
            unchanged.
        inputs: the model's inputs.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first `limit` samples only.

    Raises:
        DataError: the source is missing, damaged, empty, or does not fit the model.
        OptionError: `limit` is not positive.
    """
    if limit is not None and limit < 1:
        raise OptionError(f"a limit of {limit} samples leaves none; give 1 or more")
    if isinstance(source, SampleSet):
        return source
    if isinstance(source, str | os.PathLike):
        source = Path(source)
    with readable(source):
        opened = format_of(source).open(source, inputs, preprocess or Preprocess())
    return SampleSet(opened, inputs, preprocess, limit)
