"""Static shapes: fix the dynamic dimensions of the inputs, and infer all other shapes from them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass

from octavo.graph.constants import new_constant
from octavo.graph.passes.fold_constants import FoldConstantsPass
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.graph.rewrite import bypass

# Of each input: its lengths, dynamic ones by name.
InputShapes = Mapping[str, list[int | str]]


def fix_shapes(model: ir.Model, shapes: InputShapes, sizes: Mapping[str, int]) -> None:
    """Set the lengths of the inputs' dynamic dimensions, and infer the shapes of all values, in place."""
    for value in model.graph.inputs:
        value.shape = ir.Shape([sizes[dim] if isinstance(dim, str) else dim for dim in shapes[value.name or ""]])
    _infer_all(model)
    # A folded shape may be an operand of the next one, as of a Reshape.
    while _fold_shapes(model):
        FoldConstantsPass()(model)
        _infer_all(model)


def _infer_all(model: ir.Model) -> None:
    """Infer shapes from inputs and constants alone, dropping those that the model states."""
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.numpy().shape)
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    InferShapesPass()(model)


def _fold_shapes(model: ir.Model) -> bool:
    """Replace Shape nodes of values with a static shape by constants; returns whether there were any."""
    folded = False
    for node in list(model.graph):
        value = node.inputs[0] if node.op_type == "Shape" else None
        if value is None or value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
            continue
        start, end = (node.attributes.get(name) for name in ("start", "end"))
        dims = list(value.shape)[None if start is None else start.as_int() : None if end is None else end.as_int()]
        shape = new_constant(model.graph, f"{node.name}_answer", np.asarray(dims, np.int64))
        folded |= bypass(node, shape)
    return folded
