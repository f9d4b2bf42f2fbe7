"""Results for report tests: the digits model with all measurements, and one with hostile names."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import octavo

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
ATTACK = "<script>document.title='broken'</script>\"'&</script>"


@cache
def _digits() -> str:
    result = octavo.quantize(
        DIGITS / "digits.onnx",
        DIGITS / "calib.npz",
        "octavo",
        evaluate=octavo.evaluation.top1(DIGITS / "eval.npz"),
        rungs="equalize,mix",
        estimator="percentile:98",
        weight_bits=4,
        activation_bits=4,
        max_drop=0.0,
        threads=1,
    )
    return replace(result, command="octavo quantize digits.onnx -c calib.npz").to_json()


def digits() -> dict[str, Any]:
    """A new copy of the digits result: 4 bits, clipped, so that it loses points; rungs equalize and mix."""
    return json.loads(_digits())  # type: ignore[no-any-return]


def attacked() -> dict[str, Any]:
    """The same with names that would be markup if they were not escaped."""
    result = digits()
    names = {layer["name"]: f"{layer['name']} {ATTACK}" for layer in result["layers"]}
    tensors = {name: f"{name} {ATTACK}" for name in result["tensors"]}
    for layer in result["layers"]:
        layer["name"] = names[layer["name"]]
        for tensor in _tensors(layer):
            tensor["tensor"] = tensors.get(tensor["tensor"], tensor["tensor"])
    result["tensors"] = {tensors[name]: values for name, values in result["tensors"].items()}
    result["operators"] = [names.get(name, name) for name in result["operators"]]
    result["warnings"] = [ATTACK]
    result["command"] = ATTACK
    result["left_float"] = [{"name": ATTACK, "op": ATTACK, "why": ATTACK}]
    result["diagnosis"] = [
        {**entry, "layer": names[entry["layer"]], "causes": [ATTACK]} for entry in result["diagnosis"]
    ]
    return result


def large(layers: int) -> dict[str, Any]:
    """A network of `layers` layers, each with separate tensors of 512 channels."""
    result = digits()
    model = next(layer for layer in result["layers"] if layer["op"] == "Conv" and layer["output"])
    copies = []
    for index in range(layers):
        layer = copy.deepcopy(model)
        layer["name"] = f"conv{index}"
        values = {entry["tensor"]: result["tensors"].get(entry["tensor"]) for entry in _tensors(layer)}
        (read,), output = layer["inputs"], layer["output"]
        for tensor in _tensors(layer):
            name = tensor["tensor"]
            tensor["tensor"] = (
                f"x{index}" if tensor is read else f"x{index + 1}" if tensor is output else f"{name}{index}"
            )
            if values[name] is not None:
                result["tensors"][tensor["tensor"]] = {**values[name], "channels": _channels(128, index)}
        copies.append(layer)
    result["layers"], result["operators"] = copies, [layer["name"] for layer in copies]
    return result


def _tensors(layer: dict[str, Any]) -> list[dict[str, Any]]:
    return [*layer["weights"], *layer["inputs"], *([layer["output"]] if layer["output"] else [])]


def _channels(count: int, seed: int) -> dict[str, Any]:
    return {
        "low": [float(f"{-0.1234 - i * seed / 7e5:.4g}") for i in range(count)],
        "high": [float(f"{0.1234 + i * seed / 7e5:.4g}") for i in range(count)],
        "step": 4,
    }
