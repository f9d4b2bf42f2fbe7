"""The types of samples that public functions accept; no optional package is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from octavo.data.sampleset import SampleSet


class CalibrationReader(Protocol):
    """Samples as ONNX Runtime's `CalibrationDataReader` yields them."""

    def get_next(self) -> Mapping[str, Any] | None:
        """The next inputs by name; None at the end."""


FilePath = str | os.PathLike[str]
SampleSource = FilePath | NDArray[Any] | Mapping[str, Any] | Iterable[object] | CalibrationReader | SampleSet
