"""Resize: nearest neighbour on quantized or float tensors, linear and cubic interpolation on floats."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.compiler.lower.lowering import Lowering, OpLowering, check_dtype, static_shape
from octavo.compiler.lower.movement import move
from octavo.compiler.lower.onnx_attributes import integer, integers, number, text
from octavo.compiler.lower.values import LoweredValue, Plain, Unsupported
from octavo.compiler.program import Tensor, constant_tensor, new_tensor

Float64 = NDArray[np.float64]


def resize(lowering: Lowering, node: ir.Node) -> LoweredValue:
    """Resize one axis after the other."""
    if integer(node, "antialias", 0) or text(node, "keep_aspect_ratio_policy", "stretch") != "stretch":
        raise Unsupported("with antialias or keep_aspect_ratio_policy")
    mode = text(node, "mode", "nearest")
    shape = static_shape(node.outputs[0])
    scales = _scales(lowering, node, shape)
    if mode == "nearest":
        return move(lowering, node, lambda tensor: _nearest(lowering, node, tensor, shape, scales))
    if mode not in ("linear", "cubic"):
        raise Unsupported(f"in mode '{mode}'")
    tensor = lowering.tensor(node.inputs[0])
    check_dtype(tensor, np.float32)
    for axis, size in _resized_axes(tensor, shape):
        indices, weights = _taps(lowering, node, tensor.shape[axis], size, scales[axis], mode)
        tables = [
            constant_tensor(f"{node.name}_places_{axis}", indices.reshape(-1)),
            constant_tensor(f"{node.name}_weights_{axis}", weights.astype(np.float32).reshape(-1)),
        ]
        result = new_tensor(tensor.name, np.float32, (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]))
        tensor = lowering.program.add("Resample", node.name or "", [tensor, *tables], result, {"axis": axis})
    return Plain(tensor)


def _nearest(lowering: Lowering, node: ir.Node, tensor: Tensor, shape: tuple[int, ...], scales: list[float]) -> Tensor:
    for axis, size in _resized_axes(tensor, shape):
        x = _coordinates(lowering, node, tensor.shape[axis], size, scales[axis])
        indices = np.clip(_rounded(lowering, node, x), 0, tensor.shape[axis] - 1).astype(np.int32)
        table = constant_tensor(f"{node.name}_places_{axis}", indices)
        dims = (*tensor.shape[:axis], size, *tensor.shape[axis + 1 :])
        result = new_tensor(tensor.name, tensor.dtype, dims, tensor.params)
        tensor = lowering.program.add("Gather", node.name or "", [tensor, table], result, {"axis": axis})
    return tensor


def _resized_axes(tensor: Tensor, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """The axes whose size changes, with the new sizes."""
    return [(axis, size) for axis, size in enumerate(shape) if size != tensor.shape[axis]]


def _scales(lowering: Lowering, node: ir.Node, shape: tuple[int, ...]) -> list[float]:
    """Scale of each axis: the model's own if it has scales, since output sizes are rounded."""
    value = node.inputs[0]
    assert value is not None
    assert value.shape is not None
    sizes = [int(dim) for dim in value.shape if isinstance(dim, int)]
    scales = [new / old for new, old in zip(shape, sizes, strict=True)]
    index = 1 if lowering.opset < 11 else 2
    array = (
        None if lowering.optional_input(node, index) is None else lowering.constant_input(node, index, "scales").array
    )
    if array is not None and array.size:
        for axis, scale in zip(integers(node, "axes") or range(len(shape)), array.reshape(-1), strict=True):
            scales[axis] = float(scale)
    return scales


def _coordinates(lowering: Lowering, node: ir.Node, old: int, new: int, scale: float) -> Float64:
    """Input coordinate of each output index (ONNX Resize, coordinate_transformation_mode)."""
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
            exact = scale * old
            return old / 2 * (1 - new / exact) + (x + 0.5) / scale - 0.5
    raise Unsupported(f"with coordinates '{mode}'")


def _rounded(lowering: Lowering, node: ir.Node, x: Float64) -> Float64:
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
) -> tuple[NDArray[np.int32], Float64]:
    """Input indices and weights, each (new, taps), of every output index."""
    x = _coordinates(lowering, node, old, new, scale)
    first = np.floor(x)
    fraction = x - first
    if mode == "linear":
        offsets, weights = [0, 1], [1 - fraction, fraction]
    else:
        offsets = [-1, 0, 1, 2]
        a = number(node, "cubic_coeff_a", -0.75)
        weights = [_cubic(np.abs(fraction - offset), a) for offset in offsets]
    indices = first[:, np.newaxis] + np.asarray(offsets)
    stacked = np.stack(weights, axis=1)
    if mode == "cubic" and integer(node, "exclude_outside", 0):
        stacked = np.where((indices < 0) | (indices >= old), 0.0, stacked)
        stacked /= stacked.sum(axis=1, keepdims=True)
    return np.clip(indices, 0, old - 1).astype(np.int32), stacked


def _cubic(distance: Float64, a: float) -> Float64:
    """Cubic kernel with parameter a; Keys 1981, "Cubic convolution interpolation for digital image processing"."""
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))


LOWERINGS = {"Resize": OpLowering(resize)}
