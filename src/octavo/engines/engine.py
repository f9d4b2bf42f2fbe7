"""The one face that every engine shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from octavo.graph.spec import TensorSpec


class Engine(Protocol):
    """A model ready to run: NumPy arrays in by name, NumPy arrays out by name."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Run once on arrays named after `inputs`; the result is named after `outputs`."""
