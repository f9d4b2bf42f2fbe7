"""Tensors whose range calibration did not observe: proved from the graph, or left in float."""

from __future__ import annotations

from collections.abc import Mapping

import onnx_ir as ir

from octavo.calibrate import Calibration
from octavo.graph.bounds import Bounds, proven_bounds
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.values import named_values
from octavo.quantizer.decisions import Decisions


def unseen_sources(plan: Plan, calibration: Calibration, decisions: Decisions) -> list[str]:
    """The observed tensors of a plan that held no finite value, or one and the same value throughout.

    Tensors with trained parameters are left out: training observed them.
    """
    return [name for name in plan.sources if name not in decisions.trained and not calibration.observers[name].varies]


def bounds_of_unseen(model: ir.Model, unseen: list[str]) -> dict[str, Bounds]:
    """The bounds that the graph proves, of those tensors for which it proves any."""
    if not unseen:
        return {}
    values = named_values(model.graph)
    found = {name: proven_bounds(values[name]) for name in unseen}
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def layers_of_unseen(plan: Plan, unknown: list[str]) -> dict[str, str]:
    """The layers that would compute with a made-up range of these tensors, with the reason to leave each in float.

    These are the readers, and the layers that can write nothing but integers. Data movers follow their neighbors.
    """
    found: dict[str, str] = {}
    for layer in plan.layers.values():
        for name in _tensors(layer, plan) if layer.role != "move" else ():
            source = plan.tensors[name].source
            if source in unknown:
                found.setdefault(layer.name, unseen_reason(source))
    return found


def unseen_reason(tensor: str) -> str:
    """Why a layer beside this tensor stays in float."""
    return f"calibration never saw '{tensor}' vary, so its range is unknown"


def unseen_warnings(calibration: Calibration, left_out: Mapping[str, str]) -> list[str]:
    """One sentence for each tensor of unknown range: the tensor, the layers left in float, and the missing data."""
    warnings = []
    for name in calibration.observers:
        layers = [layer for layer, why in left_out.items() if why == unseen_reason(name)]
        if layers:
            listed = ", ".join(f"'{layer}'" for layer in layers[:5]) + (", ..." if len(layers) > 5 else "")
            warnings.append(
                f"tensor '{name}' had one value throughout the calibration samples, so its range is unknown; "
                f"{listed} stayed in float: add calibration samples for which '{name}' varies"
            )
    return warnings


def _tensors(layer: LayerPlan, plan: Plan) -> list[str]:
    must = layer.output is not None and plan.target.writes_integers(layer.op, bool(layer.fused))
    return [*layer.inputs.values(), *([layer.output] if must and layer.output is not None else [])]
