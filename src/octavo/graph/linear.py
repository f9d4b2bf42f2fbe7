"""One view of the linear operators: Conv, ConvTranspose, Gemm and MatMul.

Each multiplies data by weights and adds a bias; they differ in the layout of the weights, in the axes that
count channels, and in the attributes. What depends on that difference is answered here, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.graph.attributes import attribute
from octavo.graph.constants import constant

CONVOLUTIONS = ("Conv", "ConvTranspose")
MATRIX_PRODUCTS = ("Gemm", "MatMul")
LINEAR_OPS = CONVOLUTIONS + MATRIX_PRODUCTS
# Those with a third input, the bias.
BIASED_OPS = ("Conv", "ConvTranspose", "Gemm")

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


def is_linear(node: ir.Node) -> bool:
    """Whether the node is one of `LINEAR_OPS`, whatever its inputs."""
    return node.op_type in LINEAR_OPS and node.domain in ("", "ai.onnx")


def bias_input(node: ir.Node) -> int | None:
    """Index of the bias input, or None if the node has no bias."""
    has_bias = node.op_type in BIASED_OPS and len(node.inputs) > 2 and node.inputs[2] is not None
    return 2 if has_bias else None


def output_axis(node: ir.Node, index: int, rank: int) -> int | None:
    """The axis that counts output channels in the linear node's input `index`, a constant of `rank` axes.

    In a grouped ConvTranspose it counts the channels of one group. None if no axis does.
    """
    match node.op_type:
        case "Conv":
            return 0
        case "ConvTranspose":
            return 1
        case "Gemm":
            return (0 if attribute(node, "transB", 0) else 1) if index == 1 else None
    return rank - 1 if index == 1 and rank >= 2 else None


def summed_axes(node: ir.Node, index: int, rank: int) -> tuple[int, ...]:
    """The axes that one accumulator sums over in the linear node's input `index`, a constant of `rank` axes.

    For a ConvTranspose they contain every tap of the kernel: an upper bound, for strides skip some.
    """
    if index == 0 or rank == 1:
        return (rank - 1,)
    if node.op_type == "MatMul":
        return (rank - 2,)
    channel_axis = output_axis(node, index, rank)
    return tuple(axis for axis in range(rank) if axis != channel_axis)


def stores_transposed(op: str) -> bool:
    """Whether the operator has an attribute (transB) that lets its weights be stored transposed."""
    return op == "Gemm"


def multiply_accumulates(node: ir.Node, shapes: Mapping[str, tuple[int, ...]]) -> float:
    """Multiply-accumulates of a linear node.

    Args:
        node: the operator.
        shapes: at least of its output and its first two inputs, by name.
    """
    data, weights = (shapes[value.name or ""] for value in node.inputs[:2] if value is not None)
    output = shapes[node.outputs[0].name or ""]
    if node.op_type == "Conv":
        return float(np.prod(output) * np.prod(weights[1:]))
    if node.op_type == "ConvTranspose":
        return float(np.prod(data) * np.prod(weights[1:]))
    return float(np.prod(output) * data[-1])


@dataclass(frozen=True)
class Linear:
    """A linear node that multiplies an activation by constant float32 weights.

    Whatever the operator, `weights` have the shape (groups, outputs, inputs, taps): output channels of a group,
    input channels of a group, and places of the kernel (1 for Gemm and MatMul). `matrix` is the same with what
    an output channel sums over on one axis: (groups, outputs, inputs * taps).

    Attributes:
        node: the operator.
        stored: the weights in the operator's own layout.
    """

    node: ir.Node
    stored: Floats

    @property
    def is_convolution(self) -> bool:
        """Whether the activations have spatial axes: Conv and ConvTranspose."""
        return self.node.op_type in CONVOLUTIONS

    @property
    def is_transposed_convolution(self) -> bool:
        """Whether the node is a ConvTranspose."""
        return self.node.op_type == "ConvTranspose"

    @property
    def weights_name(self) -> str:
        """The name of the weights."""
        value = self.node.inputs[1]
        return "" if value is None else value.name or ""

    @property
    def takes_bias(self) -> bool:
        """Whether the operator can have a bias."""
        return self.node.op_type in BIASED_OPS

    @property
    def holds_shift(self) -> bool:
        """Whether its bias can add a constant to each output channel: there is none yet, or a constant one."""
        return self.takes_bias and self.has_known_bias and not self.is_scaled

    @property
    def is_scaled(self) -> bool:
        """Whether a Gemm multiplies its product or its bias by a factor other than 1."""
        return self._is_gemm and any(attribute(self.node, name, 1.0) != 1.0 for name in ("alpha", "beta"))

    @property
    def transposes_data(self) -> bool:
        """Whether a Gemm transposes its first input."""
        return self._is_gemm and bool(attribute(self.node, "transA", 0))

    @property
    def groups(self) -> int:
        """The number of groups that the channels are divided into."""
        return int(attribute(self.node, "group", 1)) if self.is_convolution else 1

    @property
    def output_axis(self) -> int:
        """The axis of `stored` that counts output channels (of one group, in a ConvTranspose)."""
        axis = output_axis(self.node, 1, self.stored.ndim)
        assert axis is not None
        return axis

    @property
    def channel_axis(self) -> int:
        """The axis of the activations, both input and output, that counts channels: 1, or -1 for matrix products."""
        return 1 if self.is_convolution else -1

    @property
    def inputs(self) -> int:
        """The number of input channels."""
        if self.is_convolution and not self.is_transposed_convolution:
            return int(self.stored.shape[1]) * self.groups
        return int(self.stored.shape[1 - self.output_axis])

    @property
    def outputs(self) -> int:
        """The number of output channels."""
        return int(self.stored.shape[self.output_axis]) * (self.groups if self.is_transposed_convolution else 1)

    @property
    def bias(self) -> Floats | None:
        """The constant bias, shape (outputs,); None if there is none, or it is computed or not per channel."""
        index = bias_input(self.node)
        array = None if index is None else constant(self.node.inputs[index])
        if array is None or array.size not in (1, self.outputs):
            return None
        return np.broadcast_to(array.reshape(-1), (self.outputs,)).astype(np.float32)

    @property
    def has_known_bias(self) -> bool:
        """Whether `bias` is all that is added: there is no bias, or a constant one per channel."""
        index = bias_input(self.node)
        if index is None:
            return True
        array = constant(self.node.inputs[index])
        fits = array is not None and array.size in (1, self.outputs)
        return array is not None and fits and (array.ndim < 2 or array.shape[-1] == array.size)

    @property
    def weights(self) -> Floats:
        """The weights, shape (groups, outputs, inputs, taps); a view of `stored` where possible."""
        return self.to_common(self.stored)

    @cached_property
    def matrix(self) -> Floats:
        """The weights, shape (groups, outputs, inputs * taps), contiguous."""
        return np.ascontiguousarray(self.to_matrix(self.stored))

    def to_common(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the layout of `stored` in that of `weights`; the inverse of `from_common`."""
        if not self.is_convolution:
            return (array.T if self.output_axis else array)[None, :, :, None]
        split = array.reshape(self.groups, array.shape[0] // self.groups, array.shape[1], -1)
        return split.transpose(0, 2, 1, 3) if self.is_transposed_convolution else split

    def from_common(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the layout of `weights` in that of `stored`, contiguous."""
        if not self.is_convolution:
            array = array[0, :, :, 0].T if self.output_axis else array[0, :, :, 0]
        elif self.is_transposed_convolution:
            array = array.transpose(0, 2, 1, 3)
        return np.ascontiguousarray(array.reshape(self.stored.shape))

    def to_matrix(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the layout of `stored` in that of `matrix`; the inverse of `from_matrix`."""
        common = self.to_common(array)
        return common.reshape(*common.shape[:2], -1)

    def from_matrix(self, array: NDArray[Any]) -> NDArray[Any]:
        """An array in the layout of `matrix` in that of `stored`, contiguous."""
        return self.from_common(array.reshape(self.weights.shape))

    def scaled(self, by_input: Doubles | None = None, by_output: Doubles | None = None) -> Doubles:
        """The weights in the common shape times factors on input channels (inputs,) and output channels (outputs,)."""
        weights: Doubles = self.to_common(self.stored.astype(np.float64))
        if by_input is not None:
            weights = weights * by_input.reshape(self.groups, 1, -1, 1)
        return weights if by_output is None else weights * by_output.reshape(self.groups, -1, 1, 1)

    @property
    def _is_gemm(self) -> bool:
        return self.node.op_type == "Gemm"


def linear(node: ir.Node | None) -> Linear | None:
    """The view of a linear node that multiplies an activation by constant float32 weights; None for other nodes.

    The weights of a Gemm or MatMul are of rank 2.
    """
    if node is None or not is_linear(node):
        return None
    data, weights = node.inputs[0], node.inputs[1]
    array = constant(weights)
    if weights is None or array is None or weights.dtype != ir.DataType.FLOAT or data is None or data.is_initializer():
        return None
    if node.op_type in MATRIX_PRODUCTS and array.ndim != 2:
        return None
    return Linear(node, array)
