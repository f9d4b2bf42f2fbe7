"""GELU as exporters write it: x / 2 (1 + erf(x / sqrt 2)), its factors in any order."""

from __future__ import annotations

import math

import onnx_ir as ir

from octavo.compiler.fuse.match import other, producer, reader, replace, scalar

_CLOSE = 1e-4


def fuse_gelus(model: ir.Model) -> None:
    """Make each such pattern a Gelu."""
    for erf in list(model.graph):
        if erf.op_type != "Erf":
            continue
        x = _scaled(erf.inputs[0])
        add = None if x is None else reader(erf.outputs[0], "Add")
        if x is None or add is None or not _is(other(add, erf.outputs[0]), 1.0):
            continue
        last = _product(add.outputs[0], x)
        if last is not None:
            replace(last, "Gelu", [x], {})


def _scaled(value: ir.Value | None) -> ir.Value | None:
    """x, of a value that is x / sqrt 2."""
    node = producer(value, "Div", "Mul")
    if node is None:
        return None
    if node.op_type == "Div":
        return node.inputs[0] if _is(node.inputs[1], math.sqrt(2)) else None
    pairs = (node.inputs, tuple(reversed(node.inputs)))
    return next((x for x, factor in pairs if _is(factor, math.sqrt(0.5))), None)


def _product(value: ir.Value, x: ir.Value) -> ir.Node | None:
    """The product of the value, x and one half: its last node."""
    wanted = {"x", "half"}
    while wanted:
        node = reader(value, "Mul")
        if node is None:
            return None
        found = _factors(other(node, value), x)
        if not found <= wanted:
            return None
        wanted -= found
        value = node.outputs[0]
    return node


def _factors(value: ir.Value | None, x: ir.Value) -> set[str]:
    if value is x:
        return {"x"}
    if _is(value, 0.5):
        return {"half"}
    node = producer(value, "Mul")
    if node is not None and x in node.inputs and _is(other(node, x), 0.5):
        return {"x", "half"}
    return {"another"}


def _is(value: ir.Value | None, number: float) -> bool:
    found = scalar(value)
    return found is not None and abs(found - number) < _CLOSE
