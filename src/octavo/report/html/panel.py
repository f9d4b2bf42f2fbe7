"""Facts about one layer and one tensor, for the panels of the HTML page."""

from __future__ import annotations

from typing import Any

import numpy as np

from octavo.affine import Grid, QuantParams, derive, real_range
from octavo.report.html.plots import tensors_of
from octavo.report.html.tensor import record
from octavo.report.plain import Plain
from octavo.report.text import decibels, milliseconds

Facts = list[tuple[str, str]]


def layer_panels(result: Plain) -> list[dict[str, Any]]:
    """For each layer: facts, likely causes of its error, and its tensors by role."""
    proofs = {proof["layer"]: proof for proof in result["proofs"]}
    causes = {diagnosis["layer"]: diagnosis["causes"] for diagnosis in result["diagnosis"]}
    return [
        {
            "name": layer["name"],
            "op": layer["op"],
            "facts": _layer_facts(layer, proofs.get(layer["name"])),
            "causes": causes.get(layer["name"], []),
            "tensors": [(role, tensor["tensor"]) for role, tensor in _roles(layer)],
        }
        for layer in result["layers"]
    ]


def tensor_panels(result: Plain) -> dict[str, dict[str, Any]]:
    """For each tensor by name: facts, the derivation of its scale and zero point, and data for its charts."""
    tensors = {tensor["tensor"]: tensor for layer in result["layers"] for tensor in tensors_of(layer)}
    panels: dict[str, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        values = result["tensors"].get(name)
        panels[name] = {"facts": tensor_facts(tensor, values), "derivation": derivation(tensor, values)}
        if values is not None:
            panels[name] |= {
                "drawn": record(tensor, values),
                "integers": values["histogram"] is not None and values["histogram"]["integers"],
                "magnitudes": values["kind"] == "activation",
            }
    return panels


def tensor_facts(tensor: Plain, values: Plain | None) -> Facts:
    """Grid, scale and zero point, and range, clipping and SQNR of the values if they were measured."""
    scales, zero_points = tensor["scale"], sorted(set(tensor["zero_point"]))
    facts = [
        ("grid", tensor["grid"]),
        ("scale S", _span(scales)),
        ("zero point Z", str(zero_points[0]) if len(zero_points) == 1 else f"{zero_points[0]} … {zero_points[-1]}"),
        ("granularity", "per tensor" if tensor["axis"] is None else f"{len(scales)} along axis {tensor['axis']}"),
        ("estimator", tensor["estimator"]),
    ]
    if values is None:
        return facts
    if values["low"] is not None:
        facts.append(("values", f"{values['low']:.5g} … {values['high']:.5g}"))
    if values["clipped"] is not None:
        facts.append(("clipped", f"{values['clipped']:.3%} of the values"))
    facts.append(("SQNR, own rounding only", decibels(values["own_sqnr_db"]) or "not measured"))
    if values["sqnr_db"] is not None:
        facts.append(("SQNR with input error", decibels(values["sqnr_db"])))
    return facts


def derivation(tensor: Plain, values: Plain | None) -> dict[str, Any]:
    """Title and steps (title, formula, result) of the derivation of scale and zero point.

    Parameters that do not follow from a range are explained instead.
    """
    channel = None if values is None else values["channel"]
    of = "" if channel is None else f" of channel {channel}, the widest"
    grid = Grid.parse(tensor["grid"])
    scale, zero_point = (np.asarray(tensor[name][channel or 0]) for name in ("scale", "zero_point"))
    stored = QuantParams(grid, scale.astype(np.float32), zero_point.astype(np.int32))
    if grid.dtype == "int32":
        return _meaning(stored, "Scale and zero point of the first channel", "S of the input times S of the weights")
    if values is not None and values["range"] is not None:
        low, high = values["range"]
        derived = derive(low, high, grid, symmetric=values["symmetric"])
        if derived.params.scale == stored.scale and derived.params.zero_point == stored.zero_point:
            steps = [(step.title, step.formula, step.result) for step in derived.steps]
            return {"title": f"Derivation of scale and zero point{of}", "steps": steps}
    several = " of the first" if len(tensor["scale"]) > 1 else ""
    why = "as stored: trained, chosen by a rung, or by a rule of the target"
    return _meaning(stored, f"Meaning of scale and zero point{of or several}", why)


def _meaning(stored: QuantParams, title: str, why: str) -> dict[str, Any]:
    low, high = (float(end) for end in real_range(stored))
    steps = [
        ("Scale and zero point", why, f"S = {float(stored.scale):.17g}, Z = {int(stored.zero_point)}"),
        ("Range covered", "[S (qmin - Z), S (qmax - Z)]", f"[{low:.9g}, {high:.9g}]"),
        ("Worst rounding error", "S / 2 inside the range", f"{float(stored.scale) / 2:.9g}"),
    ]
    return {"title": title, "steps": steps}


def _layer_facts(layer: Plain, proof: Plain | None) -> Facts:
    facts = [("SQNR of its output", decibels(layer["sqnr_db"]) or "not measured")]
    if layer["cosine"] is not None:
        facts.append(("cosine", f"{layer['cosine']:.6f}"))
    if layer["share"] is not None:
        facts.append(("share of the output error", f"{layer['share']:.1%}"))
    if layer["native_ms"] is not None:
        facts.append(("time in the native runtime", milliseconds(layer["native_ms"])))
    if layer["fused"]:
        facts.append(("fused operators", ", ".join(layer["fused"])))
    if proof is not None:
        terms = "" if proof["terms"] is None else " for each term"
        facts.append(("accumulator", f"at most {proof['bound']:,}{terms}, {proof['bound'] / 2**31:.2%} of 2³¹"))
    return facts


def _roles(layer: Plain) -> list[tuple[str, Plain]]:
    constants = [("bias" if c["grid"].startswith("int32") else "weights", c) for c in layer["weights"]]
    inputs = [("input", tensor) for tensor in layer["inputs"]]
    return [*constants, *inputs, *([("output", layer["output"])] if layer["output"] else [])]


def _span(numbers: list[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:.6g}" if low == high else f"{low:.4g} … {high:.4g}"
