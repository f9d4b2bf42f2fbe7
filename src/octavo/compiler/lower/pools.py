"""Pools, and means over axes."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from octavo.compiler.kinds import REDUCTIONS
from octavo.compiler.lower.attributes import check_image, integer, integers, two, window
from octavo.compiler.lower.facts import Fact, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.layout import own_axis
from octavo.compiler.lower.lowering import Lowering, static_shape
from octavo.compiler.lower.target import Target
from octavo.compiler.program import Tensor, view

_WHOLE = [1, 1, 0, 0, 0, 0, 1, 1]


def max_pool(lowering: Lowering, node: ir.Node) -> Fact:
    """Integers stay on their grid: the largest stands for the largest number."""
    if any(output.name for output in node.outputs[1:]):
        raise Unsupported("that gives the places of its maxima")
    grid = lowering.on_grid_as_it_lies(node.inputs[0])
    source = lowering.real_as_it_lies(node.inputs[0]) if grid is None else grid.tensor
    seen, attributes = _window(lowering, node, source)
    params = None if grid is None else grid.params
    result = lowering.new(node, source.dtype, params, channels_last=True)
    lowering.program.add("MaxPool", node.name or "", [seen], _seen(result, seen), attributes)
    return Real(result) if params is None else OnGrid(result, params)


def average_pool(lowering: Lowering, node: ir.Node) -> Fact:
    """A pool of integers waits for its result's grid."""
    return finish_average(lowering, node) if lowering.on_grid_as_it_lies(node.inputs[0]) is None else Pending(node)


def finish_average(lowering: Lowering, node: ir.Node) -> Fact:
    """On floats."""
    source = lowering.real_as_it_lies(node.inputs[0])
    return Real(_average(lowering, node, source, lowering.new(node, channels_last=True), [0, 0]))


def integer_average(lowering: Lowering, node: ir.Node, target: Target) -> Tensor | None:
    """From one grid to another."""
    grid = lowering.on_grid_as_it_lies(node.inputs[0])
    if grid is None:
        return None
    result = lowering.new(node, target.params.grid.numpy_dtype, target.params, channels_last=True)
    return _average(lowering, node, grid.tensor, result, target.bounds)


def reduce(lowering: Lowering, node: ir.Node) -> Fact:
    """The mean, sum or an end over axes that stand side by side."""
    source = lowering.real_as_it_lies(node.inputs[0])
    given = [axis % len(source.shape) for axis in _axes(lowering, node, len(source.shape))]
    if source.channels_last and sorted(given) != list(range(2, len(source.shape))):
        source = lowering.layouts.channels_first(source)
    axes = sorted(own_axis(axis, source) for axis in given)
    if not axes or axes != list(range(axes[0], axes[-1] + 1)) or source.dtype != np.float32:
        raise Unsupported("over axes that do not stand side by side")
    parts = source.shape[: axes[0]], source.shape[axes[0] : axes[-1] + 1], source.shape[axes[-1] + 1 :]
    attributes = [*(prod(part) for part in parts), REDUCTIONS[node.op_type]]
    result = _reduced(lowering, node, source)
    return Real(lowering.program.add("ReduceFloat", node.name or "", [source], result, attributes))


def _reduced(lowering: Lowering, node: ir.Node, source: Tensor) -> Tensor:
    kept = len(static_shape(node.outputs[0])) == len(source.shape)
    return lowering.new(node, channels_last=source.channels_last and kept)


def _axes(lowering: Lowering, node: ir.Node, rank: int) -> list[int]:
    given = integers(node, "axes")
    if given is None and lowering.given(node, 1) is not None:
        given = [int(axis) for axis in lowering.constant(node, 1, "axes").array.reshape(-1)]
    return list(range(rank)) if given is None else given


def _window(lowering: Lowering, node: ir.Node, source: Tensor) -> tuple[Tensor, list[int]]:
    """The input as the kernel sees it, and its attributes; a global pool is one over a single long axis."""
    image = lowering.layouts.channels_last(source)
    if node.op_type.startswith("Global"):
        length = prod(image.shape[1:-1])
        return view(image, source.name, (image.shape[0], length, image.shape[-1])), [1, length, *_WHOLE]
    check_image(source)
    kernel = integers(node, "kernel_shape") or []
    return image, [*two(kernel), *window(node, image.shape[1:-1], kernel)]


def _seen(result: Tensor, source: Tensor) -> Tensor:
    """The result as the kernel sees it."""
    if len(result.shape) == len(source.shape):
        return result
    return view(result, result.name, (result.shape[0], 1, result.shape[-1]))


def _average(lowering: Lowering, node: ir.Node, source: Tensor, result: Tensor, bounds: list[int]) -> Tensor:
    seen, attributes = _window(lowering, node, source)
    attributes += [integer(node, "count_include_pad", 0), *bounds]
    lowering.program.add("AveragePool", node.name or "", [seen], _seen(result, seen), attributes)
    return result
