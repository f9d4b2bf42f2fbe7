"""The charts of the HTML page, for `result.plot`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from octavo.errors import OptionError
from octavo.report.html import charts
from octavo.report.html.library import altair
from octavo.report.plain import Plain


@dataclass(frozen=True)
class Plots:
    """Charts of a result as Altair objects, which a notebook shows and `save` writes.

    Every method raises DependencyError if Altair is not installed (the extra `report`).
    """

    result: Plain

    def layers(self) -> Any:
        """SQNR of each layer in dB, in graph order: with the error of its inputs, and with its own rounding only."""
        return charts.layers(self.result)

    def sensitivity(self) -> Any:
        """The layers with the largest shares of the output error."""
        return charts.sensitivity(self.result)

    def pareto(self) -> Any:
        """Drop of the metric against bit operations, as the rung `mix` measured it.

        Raises:
            OptionError: the rung `mix` was not run.
        """
        points = pareto_points(self.result)
        if not points:
            raise OptionError('mixed precision was not measured; quantize with `rungs="mix"` and a budget')
        return charts.pareto(points)

    def histogram(self, name: str) -> Any:
        """Histogram of the weights, inputs and output of a layer over their grids, or of one tensor.

        Args:
            name: name of a layer or a tensor.

        Raises:
            OptionError: there is no such layer or tensor, or it has no histogram.
        """
        return altair().vconcat(*(charts.histogram(*pair) for pair in self._named(name, "histogram")))

    def channels(self, name: str) -> Any:
        """Range of each channel of the tensors of a layer, or of one tensor.

        Args:
            name: name of a layer or a tensor.

        Raises:
            OptionError: there is no such layer or tensor, or it has no ranges of channels.
        """
        return altair().vconcat(*(charts.channels(*pair) for pair in self._named(name, "channels")))

    def _named(self, name: str, needed: str) -> list[tuple[Plain, Plain]]:
        """The tensors of a layer, or the tensor, of that name, with their values that have the field `needed`."""
        layers, values = self.result["layers"], self.result["tensors"]
        tensors = [tensor for layer in layers if layer["name"] == name for tensor in tensors_of(layer)]
        if not tensors:
            tensors = [tensor for layer in layers for tensor in tensors_of(layer) if tensor["tensor"] == name][:1]
        if not tensors:
            raise OptionError(f"no layer or tensor is named '{name}'; result.layers lists them")
        pairs = [(tensor, values[tensor["tensor"]]) for tensor in tensors if tensor["tensor"] in values]
        pairs = [pair for pair in pairs if pair[1][needed] is not None]
        if not pairs:
            raise OptionError(
                f"'{name}' has no {needed}; quantize with `verify`, and an estimator that keeps a histogram"
            )
        return pairs


def tensors_of(layer: Plain) -> list[Plain]:
    """Weights, inputs and output of a layer."""
    return [tensor for tensor in [*layer["weights"], *layer["inputs"], layer["output"]] if tensor is not None]


def pareto_points(result: Plain) -> list[Plain]:
    """The points that the rung `mix` measured; empty if it was not run."""
    return [point for step in result["steps"] for point in step["details"].get("pareto", [])]
