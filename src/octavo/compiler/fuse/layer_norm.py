"""Layer normalization as exporters write it: mean, deviations, their squares' mean, root, quotient, scale and shift."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.match import known, other, producer, reader, replace, scalar


def fuse_layer_norms(model: ir.Model) -> None:
    """Make each such pattern over the last axis, with constant scale and shift, a LayerNormalization."""
    for root in list(model.graph):
        if root.op_type != "Sqrt":
            continue
        sum_ = producer(root.inputs[0], "Add")
        epsilon = None if sum_ is None else next((e for e in map(scalar, sum_.inputs) if e is not None), None)
        mean = None if sum_ is None else next((m for m in map(_mean, sum_.inputs) if m is not None), None)
        away = None if mean is None else _squared(mean.inputs[0])
        x = None if away is None else _centred(away)
        if epsilon is None or away is None or x is None:
            continue
        found = _scaled(root, away, x)
        if found is not None:
            last, scale, shift = found
            attributes = {"axis": ir.AttrInt64("axis", -1), "epsilon": ir.AttrFloat32("epsilon", epsilon)}
            replace(last, "LayerNormalization", [x, scale, shift], attributes)


def _mean(value: ir.Value | None) -> ir.Node | None:
    """What takes the mean over the last axis."""
    node = producer(value, "ReduceMean")
    if node is None or node.inputs[0] is None or node.inputs[0].shape is None:
        return None
    given = node.attributes.get("axes")
    axes = list(given.as_ints()) if given is not None else None
    if axes is None and len(node.inputs) > 1:
        array = known(node.inputs[1])
        axes = None if array is None else array.reshape(-1).tolist()
    keeps = node.attributes.get("keepdims")
    if keeps is not None and keeps.as_int() == 0:
        return None
    return node if axes is not None and [axis % len(node.inputs[0].shape) for axis in axes] == _last(node) else None


def _last(node: ir.Node) -> list[int]:
    shape = node.inputs[0].shape if node.inputs[0] is not None else None
    return [] if shape is None else [len(shape) - 1]


def _squared(value: ir.Value | None) -> ir.Value | None:
    """d, of a value that is d squared."""
    node = producer(value, "Pow", "Mul")
    if node is None:
        return None
    if node.op_type == "Pow":
        return node.inputs[0] if scalar(node.inputs[1]) == 2.0 else None
    return node.inputs[0] if node.inputs[0] is node.inputs[1] else None


def _centred(value: ir.Value) -> ir.Value | None:
    """x, of a value that is x less its mean."""
    node = producer(value, "Sub")
    mean = None if node is None else _mean(node.inputs[1])
    return node.inputs[0] if node is not None and mean is not None and mean.inputs[0] is node.inputs[0] else None


def _scaled(root: ir.Node, away: ir.Value, x: ir.Value) -> tuple[ir.Node, ir.Value, ir.Value] | None:
    """The last node, the scale and the shift."""
    divide = reader(root.outputs[0], "Div")
    if divide is None or divide.inputs[0] is not away or x.shape is None:
        return None
    multiply = reader(divide.outputs[0], "Mul")
    add = None if multiply is None else reader(multiply.outputs[0], "Add")
    if multiply is None or add is None:
        return None
    scale, shift = other(multiply, divide.outputs[0]), other(add, multiply.outputs[0])
    if scale is None or shift is None:
        return None
    arrays = known(scale), known(shift)
    if any(array is None or array.shape != (x.shape[-1],) for array in arrays):
        return None
    return add, scale, shift
