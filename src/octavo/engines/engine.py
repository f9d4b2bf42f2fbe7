"""The interface of an inference engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from octavo.graph.spec import TensorSpec


class Engine(Protocol):
    """A loaded model with NumPy arrays by name as inputs and outputs."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run once on arrays named after `inputs`; the result is named after `outputs`."""
