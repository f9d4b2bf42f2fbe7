"""Packed tensors: parts that Slice, Split or Gather take out, and whose range is far below that of the whole."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.values import named_values
from octavo.ranges import Range

_TAKE_APART = {"Slice", "Split", "Gather"}
# The whole spans so many times the part: three of eight bits are lost to the part on the grid of the whole.
_NARROWER = 8.0


def parts(model: ir.Model, plan: Plan) -> dict[str, str]:
    """The tensors that quantized data movers take out of another: part -> the observed source of its parameters."""
    if not any(layer.role == "move" and layer.op in _TAKE_APART for layer in plan.layers.values()):
        return {}
    found: dict[str, str] = {}
    for node in model.graph:
        layer = plan.layers.get(node.name or "")
        if layer is not None and layer.role == "move" and layer.op in _TAKE_APART:
            found.update({v.name: plan.tensors[v.name].source for v in node.outputs if v.name in plan.tensors})
    return found


def layers_of_packed(model: ir.Model, plan: Plan, ranges: Mapping[str, Range]) -> dict[str, str]:
    """The data movers to leave in float, so that what they take out is quantized behind them on a grid of its own.

    A carried operator that packs the tensor is left in float too; behind a layer that writes integers only, the
    part has lost its digits already, and nothing is left out.

    Args:
        model: the prepared model.
        plan: its plan.
        ranges: the ranges of the plan's sources and of `parts`.

    Returns:
        The reason by layer name.
    """
    found: dict[str, str] = {}
    values = named_values(model.graph)
    for part, source in parts(model, plan).items():
        ratio = _ratio(ranges[source], ranges[part]) if part in ranges and source in ranges else 1.0
        writer = _integer_writer(plan, source)
        if ratio >= _NARROWER and (writer is None or writer.role == "carry"):
            why = f"'{part}' spans 1/{ratio:.0f} of '{source}' and gets a grid of its own behind it"
            layers = [*_movers(values[part], plan), *([] if writer is None else [writer.name])]
            found.update(dict.fromkeys(layers, why))
    return found


def _ratio(whole: Range, part: Range) -> float:
    span = _span(part)
    return _span(whole) / span if span > 0 else 1.0


def _span(bounds: Range) -> float:
    return float(max(bounds[1], 0.0)) - float(min(bounds[0], 0.0))


def _movers(value: ir.Value | None, plan: Plan) -> list[str]:
    """The quantized data movers between a tensor and the source of its parameters."""
    found: list[str] = []
    while value is not None and (node := value.producer()) is not None:
        layer = plan.layers.get(node.name or "")
        if layer is None or layer.role != "move":
            break
        found.append(layer.name)
        value = node.inputs[0]
    return found


def _integer_writer(plan: Plan, tensor: str) -> LayerPlan | None:
    """The layer that writes the tensor as integers, whoever reads it."""
    target = plan.target
    return next(
        (
            layer
            for layer in plan.layers.values()
            if layer.output == tensor and target.writes_integers(layer.op, bool(layer.fused))
        ),
        None,
    )
