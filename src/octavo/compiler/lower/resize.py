"""Resize: nearest places keep integers on their grid; weighted sums are float."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower.attributes import integer, integers, number, text
from octavo.compiler.lower.facts import Fact, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, static_shape
from octavo.compiler.lower.movers import moved
from octavo.compiler.program import Tensor, constant_tensor, new_tensor

Doubles = NDArray[np.float64]


def resize(lowering: Lowering, node: ir.Node) -> Fact:
    """Axis after axis."""
    if integer(node, "antialias", 0) or text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("with antialias or a kept aspect ratio")
    mode = text(node, "mode", "nearest")
    shape = static_shape(node.outputs[0])
    scales = _scales(lowering, node, shape)
    if mode == "nearest":
        return moved(lowering, node, lambda tensor: _nearest(lowering, node, tensor, shape, scales))
    if mode not in ("linear", "cubic"):
        raise Unsupported(f"in mode '{mode}'")
    tensor = lowering.real(node.inputs[0])
    if tensor.dtype != np.float32:
        raise Unsupported(f"of {tensor.dtype}")
    for axis, size in _resized(tensor, shape):
        places, weights = _taps(lowering, node, tensor.shape[axis], size, scales[axis], mode)
        tables = [
            constant_tensor(f"{node.name}_places_{axis}", places.reshape(-1)),
            constant_tensor(f"{node.name}_weights_{axis}", weights.astype(np.float32).reshape(-1)),
        ]
        result = new_tensor(tensor.name, np.float32, (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]))
        tensor = lowering.program.add("Resample", node.name or "", [tensor, *tables], result, [axis])
    return Real(tensor)


def _nearest(lowering: Lowering, node: ir.Node, tensor: Tensor, shape: tuple[int, ...], scales: list[float]) -> Tensor:
    for axis, size in _resized(tensor, shape):
        x = _coordinates(lowering, node, tensor.shape[axis], size, scales[axis])
        places = np.clip(_rounded(lowering, node, x), 0, tensor.shape[axis] - 1).astype(np.int32)
        table = constant_tensor(f"{node.name}_places_{axis}", places)
        dims = (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])
        result = new_tensor(tensor.name, tensor.dtype, dims, tensor.params)
        tensor = lowering.program.add("Gather", node.name or "", [tensor, table], result, [axis])
    return tensor


def _resized(tensor: Tensor, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The axes that change, and their new sizes."""
    return [(axis, size) for axis, size in enumerate(shape) if size != tensor.shape[axis]]


def _scales(lowering: Lowering, node: ir.Node, shape: tuple[int, ...]) -> list[float]:
    """New over old size along each axis, as the model says it: the new size is rounded."""
    value = node.inputs[0]
    assert value is not None
    assert value.shape is not None
    old = [int(dim) for dim in value.shape if isinstance(dim, int)]
    found = [new / before for new, before in zip(shape, old, strict=True)]
    index = 1 if lowering.opset < 11 else 2
    given = lowering.given(node, index)
    array = None if given is None else lowering.constant(node, index, "scales").array
    if array is not None and array.size:
        for axis, scale in zip(integers(node, "axes") or range(len(shape)), array.reshape(-1), strict=True):
            found[axis] = float(scale)
    return found


def _coordinates(lowering: Lowering, node: ir.Node, old: int, new: int, scale: float) -> Doubles:
    """Where each new place lies among the old ones (ONNX, Resize, coordinate_transformation_mode)."""
    mode = text(node, "coordinate_transformation_mode", "half_pixel" if lowering.opset > 10 else "asymmetric")
    x = np.arange(new, dtype=np.float64)
    match mode:
        case "half_pixel":
            return (x + 0.5) / scale - 0.5
        case "pytorch_half_pixel":
            return (x + 0.5) / scale - 0.5 if new > 1 else np.zeros(new)
        case "align_corners":
            return x * (old - 1) / (new - 1) if new > 1 else np.zeros(new)
        case "asymmetric":
            return x / scale
        case "half_pixel_symmetric":
            whole = scale * old
            return old / 2 * (1 - new / whole) + (x + 0.5) / scale - 0.5
    raise Unsupported(f"with coordinates '{mode}'")


def _rounded(lowering: Lowering, node: ir.Node, x: Doubles) -> Doubles:
    match text(node, "nearest_mode", "round_prefer_floor" if lowering.opset > 10 else "floor"):
        case "round_prefer_floor":
            return np.ceil(x - 0.5)
        case "round_prefer_ceil":
            return np.floor(x + 0.5)
        case "floor":
            return np.floor(x)
    return np.ceil(x)


def _taps(
    lowering: Lowering, node: ir.Node, old: int, new: int, scale: float, mode: str
) -> tuple[NDArray[np.int32], Doubles]:
    """For each new place the old ones around it, and their weights."""
    x = _coordinates(lowering, node, old, new, scale)
    first = np.floor(x)
    part = x - first
    if mode == "linear":
        steps, weights = [0, 1], [1 - part, part]
    else:
        steps = [-1, 0, 1, 2]
        a = number(node, "cubic_coeff_a", -0.75)
        weights = [_cubic(np.abs(part - step), a) for step in steps]
    places = first[:, np.newaxis] + np.asarray(steps)
    each = np.stack(weights, axis=1)
    if mode == "cubic" and integer(node, "exclude_outside", 0):
        each = np.where((places < 0) | (places >= old), 0.0, each)
        each /= each.sum(axis=1, keepdims=True)
    return np.clip(places, 0, old - 1).astype(np.int32), each


def _cubic(distance: Doubles, a: float) -> Doubles:
    """Keys 1981, "Cubic convolution interpolation for digital image processing"."""
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
