"""GELU as exporters write it: x / 2 * (1 + erf(x / sqrt(2))), with its factors in any order."""

from __future__ import annotations

import math

import onnx_ir as ir

from octavo.compiler.fuse.pattern import other_input, producer, replace, scalar, sole_reader

_TOLERANCE = 1e-4


class FuseGeluPass(ir.passes.InPlacePass):
    """Replace the pattern by Gelu."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "Erf":
                modified |= _fuse(node)
        return ir.passes.PassResult(model, modified)


def _fuse(erf: ir.Node) -> bool:
    x = _unscaled(erf.inputs[0])
    add = None if x is None else sole_reader(erf.outputs[0], "Add")
    if x is None or add is None or not _equals(other_input(add, erf.outputs[0]), 1.0):
        return False
    last = _last_product(add.outputs[0], x)
    if last is None:
        return False
    replace(last, "Gelu", [x], {})
    return True


def _unscaled(value: ir.Value | None) -> ir.Value | None:
    """x, if the value is x / sqrt(2)."""
    node = producer(value, "Div", "Mul")
    if node is None:
        return None
    if node.op_type == "Div":
        return node.inputs[0] if _equals(node.inputs[1], math.sqrt(2)) else None
    pairs = (node.inputs, tuple(reversed(node.inputs)))
    return next((x for x, factor in pairs if _equals(factor, math.sqrt(0.5))), None)


def _last_product(value: ir.Value, x: ir.Value) -> ir.Node | None:
    """The last node of the product of the value, x and 1/2, in any order."""
    missing = {"x", "half"}
    while missing:
        node = sole_reader(value, "Mul")
        if node is None:
            return None
        factors = _factors(other_input(node, value), x)
        if not factors <= missing:
            return None
        missing -= factors
        value = node.outputs[0]
    return node


def _factors(value: ir.Value | None, x: ir.Value) -> set[str]:
    """Which factors of the pattern the value holds."""
    if value is x:
        return {"x"}
    if _equals(value, 0.5):
        return {"half"}
    node = producer(value, "Mul")
    if node is not None and x in node.inputs and _equals(other_input(node, x), 0.5):
        return {"x", "half"}
    return {"unknown"}


def _equals(value: ir.Value | None, number: float) -> bool:
    """Whether the value is this constant, up to the precision of exporters."""
    constant = scalar(value)
    return constant is not None and abs(constant - number) < _TOLERANCE
