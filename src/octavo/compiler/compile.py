"""Compile a quantized ONNX model into a bundle."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx_ir as ir
from onnx_ir.passes.common import LiftConstantsToInitializersPass

from octavo.compiler.arena import plan_arena
from octavo.compiler.bundle import write_bundle
from octavo.compiler.fuse import fuse
from octavo.compiler.lower import lower
from octavo.compiler.merge import merge
from octavo.compiler.panels import WeightPacker
from octavo.compiler.program import Program, Size
from octavo.compiler.qoperator import to_qdq
from octavo.compiler.sizes import MOST_SIZES, Fixed, leave_open
from octavo.errors import ModelError, OptionError
from octavo.graph import load
from octavo.graph.constants import new_constant
from octavo.graph.passes.fold_constants import FoldConstantsPass
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.graph.rewrite import bypass

Dims = Mapping[str, int | tuple[int, int]]

# The greatest length where nobody said one: the model is looked at there, and the sums of an attention hold so many.
_USUAL_MOST = 1 << 15
_MOST = 1 << 24


class _Usual(NamedTuple):
    """Of a kind of size: where the lengths to lower at begin, how lengths grow with it, and the one to compile at."""

    first: int
    degree: int
    default: int


# A length of 1 is often an exception, so it is not where looking begins.
_BATCH, _OTHER = _Usual(2, 1, 1), _Usual(4, 2, 128)


def compile_model(
    model: ir.Model | str | os.PathLike[str], *, batch: int | None = None, dims: Dims | None = None
) -> bytes:
    """A model in QDQ form, as `octavo.quantize` makes it, or in QOperator form, as a bundle for the native runtime.

    Dynamic dimensions of the inputs stay open: a session takes inputs of any length. At most two can.

    Args:
        model: the model, or the path of its file.
        batch: fixes a dynamic first axis at this size.
        dims: by the name of a dynamic dimension its size, or the least and greatest it may have.

    Raises:
        ModelError: the model cannot be read, an input's shape is unknown, a dimension cannot stay open, or operators
            have no kernel, all of which the message names.
        OptionError: the model has no dynamic dimension of a name in `dims`, or bounds are too near or missing.
    """
    given = model.clone() if isinstance(model, ir.Model) else load(model)
    to_qdq(given)
    shapes = {value.name or "": _dims(value) for value in given.graph.inputs}
    sizes = _sizes(shapes, batch, dict(dims or {}))
    fixed = {name: size for name, size in sizes.items() if isinstance(size, int)}
    open_sizes = [size for size in sizes.values() if isinstance(size, Size)]

    packer = WeightPacker()

    def lowered(lengths: Sequence[int]) -> Program:
        at = {**fixed, **{size.name: length for size, length in zip(open_sizes, lengths, strict=True)}}
        shaped = given.clone()
        _fix_shapes(shaped, shapes, at)
        fuse(shaped)
        program = lower(shaped, packer)
        merge(program)
        return program

    batches = {dims[0] for dims in shapes.values() if dims}
    program = _opened(lowered, open_sizes, batches) if open_sizes else lowered(())
    return write_bundle(program, plan_arena(program.operations))


def _dims(value: ir.Value) -> list[int | str]:
    """The input's lengths; the names of those that are dynamic.

    Raises:
        ModelError: it has no shape, or is empty.
    """
    if value.shape is None:
        raise ModelError(f"input '{value.name}' has no shape; export the model with shapes")
    found: list[int | str] = []
    for axis, dim in enumerate(value.shape):
        unnamed = "batch" if axis == 0 else f"{value.name}_{axis}"
        found.append(dim if isinstance(dim, int) else dim.value or unnamed)
    if 0 in found:
        raise ModelError(f"input '{value.name}' of shape {found} is empty; export the model with its sizes")
    return found


def _sizes(shapes: Mapping[str, list[int | str]], batch: int | None, dims: dict[str, Any]) -> dict[str, int | Size]:
    """Each dynamic dimension's size, or its bounds where it stays open."""
    names = list(dict.fromkeys(dim for shape in shapes.values() for dim in shape if isinstance(dim, str)))
    unknown = [name for name in dims if name not in names]
    if unknown:
        raise OptionError(f"the model has no dynamic dimension '{unknown[0]}'; it has {', '.join(names) or 'none'}")
    if batch is not None:
        dims = {**{shape[0]: batch for shape in shapes.values() if shape and isinstance(shape[0], str)}, **dims}
    found: dict[str, int | Size] = {}
    for name in names:
        least, most = (1, _USUAL_MOST) if name not in dims else dims[name] if isinstance(dims[name], tuple) else (0, 0)
        found[name] = Size(name, least, most) if least else int(dims[name])
        if least and not 1 <= least < most <= _MOST:
            raise OptionError(f"'{name}' cannot be {least} to {most}; bounds are 1 to {_MOST}, the least first")
    opened = [name for name, size in found.items() if isinstance(size, Size)]
    if len(opened) > MOST_SIZES:
        raise ModelError(
            f"{len(opened)} dimensions of the inputs are dynamic ({', '.join(opened)}) and {MOST_SIZES} may be; fix "
            f"others: `dims={{'{opened[-1]}': 128}}`"
        )
    return found


def _opened(lowered: Callable[[Sequence[int]], Program], sizes: list[Size], batches: set[int | str]) -> Program:
    """The program with its sizes left open.

    Raises:
        ModelError: they cannot be, or operators have no kernel.
    """
    usual = [_BATCH if size.name in batches else _OTHER for size in sizes]
    degrees = tuple(min(each.degree, size.most - size.least) for size, each in zip(sizes, usual, strict=True))
    firsts = tuple(
        max(min(each.first, size.most - degree), size.least)
        for size, degree, each in zip(sizes, degrees, usual, strict=True)
    )
    defaults = tuple(min(max(each.default, size.least), size.most) for size, each in zip(sizes, usual, strict=True))
    try:
        return leave_open(lowered, sizes, firsts, degrees, defaults, _USUAL_MOST)
    except Fixed as error:
        why = str(error)
    except ModelError as error:
        why = str(error)
        # Where the model does not run at fixed sizes either, that is what is wrong with it.
        lowered(defaults)
    fix = " ".join(
        f"`batch={default}`" if size.name in batches else f"`dims={{'{size.name}': {default}}}`"
        for size, default in zip(sizes, defaults, strict=True)
    )
    names = " and ".join(f"'{size.name}'" for size in sizes)
    raise ModelError(f"{names} cannot stay open ({why}); fix it with {fix}")


def _fix_shapes(model: ir.Model, shapes: Mapping[str, list[int | str]], sizes: Mapping[str, int]) -> None:
    """Give inputs their sizes, and let those of all else follow."""
    for value in model.graph.inputs:
        value.shape = ir.Shape([sizes[dim] if isinstance(dim, str) else dim for dim in shapes[value.name or ""]])
    _infer_anew(model)
    # A shape that is known may be what the next one depends on.
    while _fold_shapes(model):
        FoldConstantsPass()(model)
        _infer_anew(model)


def _infer_anew(model: ir.Model) -> None:
    """Let shapes follow from those of inputs and constants alone."""
    LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    for value in model.graph.initializers.values():
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.numpy().shape)
    for node in model.graph:
        for output in node.outputs:
            output.shape = None
    InferShapesPass()(model)


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
