"""`result.plot`: the page's charts from Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from octavo.errors import OptionError
from octavo.report.html import charts
from octavo.report.html.library import altair
from octavo.report.plain import Plain


@dataclass(frozen=True)
class Plots:
    """Charts of a result, as objects of Altair: shown by a notebook, changed with its methods, written with `save`.

    Each method raises DependencyError where Altair is not installed (the extra `report`).
    """

    result: Plain

    def layers(self) -> Any:
        """SQNR of each layer's result in dB, in graph order, and of its own grid alone."""
        return charts.layers(self.result)

    def sensitivity(self) -> Any:
        """The layers with the largest shares of the output's error."""
        return charts.sensitivity(self.result)

    def pareto(self) -> Any:
        """Drop against bit operations, as the rung `mix` measured it.

        Raises:
            OptionError: that rung was not tried, or had nothing to measure.
        """
        points = pareto_points(self.result)
        if not points:
            raise OptionError('mixed precision was not measured; quantize with `rungs="mix"` and a budget')
        return charts.pareto(points)

    def histogram(self, name: str) -> Any:
        """Values of a layer's weights, inputs and output over their grids, or of one tensor.

        Args:
            name: a layer's or a tensor's name.

        Raises:
            OptionError: there is no such name, or nothing was kept of its values.
        """
        return altair().vconcat(*(charts.histogram(*each) for each in self._named(name, "histogram")))

    def channels(self, name: str) -> Any:
        """The ends of each channel of a layer's tensors, or of one tensor.

        Args:
            name: a layer's or a tensor's name.

        Raises:
            OptionError: there is no such name, or nothing was kept of its channels.
        """
        return altair().vconcat(*(charts.channels(*each) for each in self._named(name, "channels")))

    def _named(self, name: str, needed: str) -> list[tuple[Plain, Plain]]:
        layers = self.result["layers"]
        found = [tensor for layer in layers if layer["name"] == name for tensor in tensors_of(layer)]
        found = found or [tensor for layer in layers for tensor in tensors_of(layer) if tensor["tensor"] == name][:1]
        if not found:
            raise OptionError(f"no layer or tensor is called '{name}'; result.layers lists them")
        values = self.result["tensors"]
        kept = [(each, values[each["tensor"]]) for each in found if each["tensor"] in values]
        kept = [(tensor, each) for tensor, each in kept if each[needed] is not None]
        if not kept:
            raise OptionError(
                f"no {needed} of '{name}' is known; quantize with verify, and an estimator that keeps one"
            )
        return kept


def tensors_of(layer: Plain) -> list[Plain]:
    """A layer's weights, inputs and output."""
    return [each for each in [*layer["weights"], *layer["inputs"], layer["output"]] if each is not None]


def pareto_points(result: Plain) -> list[Plain]:
    """The points that the rung `mix` measured; none where it was not tried."""
    return [point for step in result["steps"] for point in step["details"].get("pareto", [])]
