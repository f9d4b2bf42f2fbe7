"""Compile a quantized ONNX model into a bundle."""

from __future__ import annotations

import os

import numpy as np
import onnx_ir as ir

from octavo.errors import ModelError
from octavo.export.arena import plan_arena
from octavo.export.bundle import write_bundle
from octavo.export.lower import lower
from octavo.export.qoperator import to_qdq
from octavo.graph import load
from octavo.graph.constants import new_constant
from octavo.graph.passes.folding import fold_constants
from octavo.graph.passes.rewrite import bypass
from octavo.graph.passes.shapes import infer_shapes


def compile_model(model: ir.Model | str | os.PathLike[str], *, batch: int = 1) -> bytes:
    """A model in QDQ form, as `octavo.quantize` makes it, or in QOperator form, as a bundle for the native runtime.

    Args:
        model: the model, or the path of its file.
        batch: the size of a dynamic first axis; shapes are otherwise fixed by the model.

    Raises:
        ModelError: the model cannot be read, another dimension of an input is dynamic, or operators have no
            kernel, all of which the message names.
    """
    fixed = model.clone() if isinstance(model, ir.Model) else load(model)
    to_qdq(fixed)
    _fix_shapes(fixed, batch)
    program = lower(fixed)
    return write_bundle(program, plan_arena(program.operations))


def _fix_shapes(model: ir.Model, batch: int) -> None:
    """Give inputs their sizes, and let those of all else follow."""
    for value in model.graph.inputs:
        if value.shape is None:
            raise ModelError(f"input '{value.name}' has no shape; export the model with shapes")
        dims = [batch if axis == 0 and not isinstance(dim, int) else dim for axis, dim in enumerate(value.shape)]
        dynamic = [str(dim) for dim in dims if not isinstance(dim, int)]
        if 0 in dims:
            raise ModelError(f"input '{value.name}' of shape {dims} is empty; export the model with its sizes")
        if dynamic:
            raise ModelError(
                f"input '{value.name}' has the dynamic dimension '{dynamic[0]}'; export the model with its size fixed"
            )
        value.shape = ir.Shape(dims)
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    infer_shapes(model)
    if _fold_shapes(model):
        fold_constants(model)
        infer_shapes(model)


def _fold_shapes(model: ir.Model) -> bool:
    """Replace questions for a shape that is known now by the answer; whether there were any."""
    found = False
    for node in list(model.graph):
        value = node.inputs[0] if node.op_type == "Shape" else None
        if value is None or value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
            continue
        start, end = (node.attributes.get(name) for name in ("start", "end"))
        dims = list(value.shape)[None if start is None else start.as_int() : None if end is None else end.as_int()]
        answer = new_constant(model.graph, f"{node.name}_answer", np.asarray(dims, np.int64))
        if bypass(node, answer):
            found = True
    return found
