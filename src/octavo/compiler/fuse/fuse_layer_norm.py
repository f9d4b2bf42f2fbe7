"""Layer normalization as exporters write it: mean, deviation, variance, square root, quotient, scale and shift."""

from __future__ import annotations

import onnx_ir as ir

from octavo.compiler.fuse.pattern import constant_array, other_input, producer, replace, scalar, sole_reader


class FuseLayerNormPass(ir.passes.InPlacePass):
    """Replace the pattern over the last axis, with constant scale and shift, by LayerNormalization."""

    def call(self, model: ir.Model) -> ir.passes.PassResult:
        """Run the pass."""
        modified = False
        for node in list(model.graph):
            if node.op_type == "Sqrt":
                modified |= _fuse(node)
        return ir.passes.PassResult(model, modified)


def _fuse(root: ir.Node) -> bool:
    add = producer(root.inputs[0], "Add")
    if add is None:
        return False
    epsilon = next((number for number in map(scalar, add.inputs) if number is not None), None)
    variance = next((mean for mean in map(_mean, add.inputs) if mean is not None), None)
    deviation = None if variance is None else _squared(variance.inputs[0])
    x = None if deviation is None else _centered(deviation)
    if epsilon is None or deviation is None or x is None:
        return False
    affine = _affine(root, deviation, x)
    if affine is None:
        return False
    last, scale, shift = affine
    attributes = {"axis": ir.AttrInt64("axis", -1), "epsilon": ir.AttrFloat32("epsilon", epsilon)}
    replace(last, "LayerNormalization", [x, scale, shift], attributes)
    return True


def _mean(value: ir.Value | None) -> ir.Node | None:
    """The ReduceMean that computes the value, if it keeps and reduces the last axis."""
    node = producer(value, "ReduceMean")
    if node is None or node.inputs[0] is None or node.inputs[0].shape is None:
        return None
    attribute = node.attributes.get("axes")
    axes = list(attribute.as_ints()) if attribute is not None else None
    if axes is None and len(node.inputs) > 1:
        array = constant_array(node.inputs[1])
        axes = None if array is None else array.reshape(-1).tolist()
    keepdims = node.attributes.get("keepdims")
    if keepdims is not None and keepdims.as_int() == 0:
        return None
    rank = len(node.inputs[0].shape)
    return node if axes is not None and [axis % rank for axis in axes] == [rank - 1] else None


def _squared(value: ir.Value | None) -> ir.Value | None:
    """d, if the value is d squared."""
    node = producer(value, "Pow", "Mul")
    if node is None:
        return None
    if node.op_type == "Pow":
        return node.inputs[0] if scalar(node.inputs[1]) == 2.0 else None
    return node.inputs[0] if node.inputs[0] is node.inputs[1] else None


def _centered(value: ir.Value) -> ir.Value | None:
    """x, if the value is x minus its mean."""
    node = producer(value, "Sub")
    mean = None if node is None else _mean(node.inputs[1])
    return node.inputs[0] if node is not None and mean is not None and mean.inputs[0] is node.inputs[0] else None


def _affine(root: ir.Node, deviation: ir.Value, x: ir.Value) -> tuple[ir.Node, ir.Value, ir.Value] | None:
    """The last node, the scale and the shift of the affine map behind the normalization."""
    divide = sole_reader(root.outputs[0], "Div")
    if divide is None or divide.inputs[0] is not deviation or x.shape is None:
        return None
    multiply = sole_reader(divide.outputs[0], "Mul")
    add = None if multiply is None else sole_reader(multiply.outputs[0], "Add")
    if multiply is None or add is None:
        return None
    scale, shift = other_input(multiply, divide.outputs[0]), other_input(add, multiply.outputs[0])
    if scale is None or shift is None:
        return None
    arrays = constant_array(scale), constant_array(shift)
    if any(array is None or array.shape != (x.shape[-1],) for array in arrays):
        return None
    return add, scale, shift
