"""Operators that move, select or join elements without changing them."""

from __future__ import annotations

import onnx_ir as ir
import torch
from torch import Tensor

from octavo.graph.attributes import attribute
from octavo.torch.run.operators.inputs import Inputs, Operator, ints, ints_input, torch_pads


def _concat(node: ir.Node, inputs: Inputs) -> Tensor:
    return torch.cat([inputs[index] for index in range(len(inputs))], int(attribute(node, "axis", 0)))


def _flatten(node: ir.Node, inputs: Inputs) -> Tensor:
    rank = inputs[0].ndim
    axis = int(attribute(node, "axis", 1))
    return inputs[0].reshape(inputs[0].shape[: axis + rank if axis < 0 else axis].numel(), -1)


def _reshape(node: ir.Node, inputs: Inputs) -> Tensor:
    x, shape = inputs[0], [int(size) for size in inputs[1].tolist()]
    if not attribute(node, "allowzero", 0):
        shape = [x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)]
    return x.reshape(shape)


def _shape(node: ir.Node, inputs: Inputs) -> Tensor:
    x = inputs[0]
    return torch.tensor(x.shape)[int(attribute(node, "start", 0)) : int(attribute(node, "end", x.ndim))]


def _squeeze(node: ir.Node, inputs: Inputs) -> Tensor:
    axes = ints_input(node, "axes", inputs, 1)
    return inputs[0].squeeze() if axes is None else inputs[0].squeeze(tuple(axes))


def _unsqueeze(node: ir.Node, inputs: Inputs) -> Tensor:
    y, axes = inputs[0], ints_input(node, "axes", inputs, 1) or []
    rank = y.ndim + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        y = y.unsqueeze(axis)
    return y


def _transpose(node: ir.Node, inputs: Inputs) -> Tensor:
    return inputs[0].permute(ints(node, "perm", range(inputs[0].ndim)[::-1]))


def _pad(node: ir.Node, inputs: Inputs) -> Tensor:
    pads = ints_input(node, "pads", inputs, 1) or []
    fill, axes = inputs.get(2), ints_input(node, "axes", inputs, 3)
    if axes is not None:
        listed, rank = pads, inputs[0].ndim
        pads = [0] * 2 * rank
        for place, axis in enumerate(axes):
            pads[axis % rank], pads[axis % rank + rank] = listed[place], listed[place + len(axes)]
    return torch.nn.functional.pad(inputs[0], torch_pads(pads), value=0.0 if fill is None else float(fill))


def _slice(node: ir.Node, inputs: Inputs) -> Tensor:
    x, starts, ends = inputs[0], inputs[1].tolist(), inputs[2].tolist()
    axes_input, steps_input = inputs.get(3), inputs.get(4)
    axes = list(range(len(starts))) if axes_input is None else axes_input.tolist()
    steps = [1] * len(axes) if steps_input is None else steps_input.tolist()
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        x = x.index_select(axis, _indices(x.shape[axis], start, end, step))
    return x


def _indices(size: int, start: int, end: int, step: int) -> Tensor:
    if step > 0:
        return torch.arange(size)[start:end:step]
    # `end` before the first element includes the first element.
    return torch.tensor(range(size)[start : end if end >= -size else None : step], dtype=torch.int64)


def _split(node: ir.Node, inputs: Inputs) -> tuple[Tensor, ...]:
    axis = int(attribute(node, "axis", 0))
    sizes = ints_input(node, "split", inputs, 1)
    if sizes:
        return tuple(torch.split(inputs[0], sizes, axis))
    return tuple(torch.split(inputs[0], -(-inputs[0].shape[axis] // len(node.outputs)), axis))


def _gather(node: ir.Node, inputs: Inputs) -> Tensor:
    x, indices = inputs[0], inputs[1]
    axis = int(attribute(node, "axis", 0)) % x.ndim
    selected = x.index_select(axis, indices.reshape(-1).long() % x.shape[axis])
    return selected.reshape([*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]])


SHAPES: dict[str, Operator] = {
    "Concat": _concat,
    "Flatten": _flatten,
    "Gather": _gather,
    "Pad": _pad,
    "Reshape": _reshape,
    "Shape": _shape,
    "Slice": _slice,
    "Split": _split,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
