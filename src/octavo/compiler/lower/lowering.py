"""The state of lowering one graph, and the functions that lower one operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.compiler.bundle import DTYPES
from octavo.compiler.lower.layout import Layouts, channels_last_order
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Constant, Deferred, LoweredValue, Plain, Quantized, Rejected, Unsupported
from octavo.compiler.panels import WeightPacker
from octavo.compiler.program import Program, Tensor, constant_tensor, new_tensor

Lower = Callable[["Lowering", ir.Node], LoweredValue]
ToGrid = Callable[["Lowering", ir.Node, Target], Tensor | None]


@dataclass(frozen=True)
class OpLowering:
    """How one ONNX operator is lowered.

    Attributes:
        lower: called when the node is reached; returns its lowered output, or `Deferred`.
        to_grid: lowers a deferred node whose result is quantized; returns None if there is no such kernel.
        to_float: lowers a deferred node whose result is needed as float.
    """

    lower: Lower
    to_grid: ToGrid | None = None
    to_float: Lower | None = None


@dataclass
class Lowering:
    """What the lowerings of operators read and write.

    Attributes:
        opset: version of the ONNX operator set.
        operators: the lowerings by operator type.
        packer: packs the weights.
        program: the program lowered so far.
        values: what is known about each value of the graph.
    """

    opset: int
    operators: Mapping[str, OpLowering]
    packer: WeightPacker
    program: Program = field(default_factory=Program)
    values: dict[ir.Value, LoweredValue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layouts = Layouts(self.program)

    def lowered(self, value: ir.Value | None) -> LoweredValue:
        """What is known about a required input.

        Raises:
            Unsupported: the input is omitted.
        """
        if value is None:
            raise Unsupported("without an input")
        return self.values[value]

    def optional_input(self, node: ir.Node, index: int) -> ir.Value | None:
        """The input at `index`, or None if it is omitted."""
        return node.inputs[index] if index < len(node.inputs) else None

    def constant_input(self, node: ir.Node, index: int, what: str) -> Constant:
        """An input that must be constant.

        Raises:
            Unsupported: the input is computed at run time, or omitted.
        """
        value = self.lowered(self.optional_input(node, index))
        if not isinstance(value, Constant):
            raise Unsupported(f"with {what} computed at run time")
        return value

    def tensor(self, value: ir.Value | None) -> Tensor:
        """The value as a tensor in ONNX's axis order, dequantized if it is quantized."""
        return self.layouts.channels_first(self.tensor_any_layout(value))

    def tensor_any_layout(self, value: ir.Value | None) -> Tensor:
        """Same as `tensor`, in the layout the tensor already has."""
        lowered = self.lowered(value)
        assert value is not None
        if isinstance(lowered, Deferred):
            lowered = self._settled(value)
        match lowered:
            case Plain():
                return lowered.tensor
            case Quantized():
                return self._dequantized(value.name or "", lowered)
            case Constant():
                array = lowered.values
                if array.dtype not in DTYPES:
                    raise Unsupported(f"of {array.dtype}")
                tensor = constant_tensor(value.name or "", array)
                self.values[value] = Plain(tensor)
                return tensor
        raise AssertionError(lowered)

    def quantized(self, value: ir.Value | None) -> Quantized | None:
        """The value as 8-bit integers with per-tensor parameters, in ONNX's axis order; None if it is not quantized."""
        quantized = self.quantized_any_layout(value)
        if quantized is None:
            return None
        return Quantized(self.layouts.channels_first(quantized.tensor), quantized.params)

    def quantized_any_layout(self, value: ir.Value | None) -> Quantized | None:
        """Same as `quantized`, in the layout the tensor already has."""
        lowered = self.lowered(value)
        if isinstance(lowered, Constant) and lowered.params is not None and lowered.params.axis is None:
            if lowered.params.grid.dtype not in ("int8", "uint8"):
                return None
            name = "" if value is None else value.name or ""
            return Quantized(constant_tensor(name, lowered.array, lowered.params), lowered.params)
        return lowered if isinstance(lowered, Quantized) else None

    def new_output(
        self,
        node: ir.Node,
        dtype: np.dtype | type = np.float32,
        params: QuantParams | None = None,
        *,
        channels_last: bool = False,
    ) -> Tensor:
        """A new tensor for the node's first output."""
        value = node.outputs[0]
        shape = static_shape(value)
        if channels_last:
            shape = tuple(shape[axis] for axis in channels_last_order(len(shape)))
        tensor = new_tensor(value.name or "", dtype, shape, params)
        tensor.channels_last = channels_last
        return tensor

    def _settled(self, value: ir.Value) -> LoweredValue:
        """A deferred value in float, after the chain of deferred values of the same kind in front of it.

        Each is settled before its reader asks for it, so that a chain of any length needs no recursion.
        """
        chain: list[tuple[ir.Value, ir.Node]] = []
        front: ir.Value | None = value
        while front is not None and isinstance(deferred := self.values[front], Deferred):
            to_float = self.operators[deferred.node.op_type].to_float
            if chain and to_float is not self.operators[chain[0][1].op_type].to_float:
                break
            chain.append((front, deferred.node))
            front = deferred.node.inputs[0]
        for each, node in reversed(chain):
            self.values[each] = self._to_float(node)
        return self.values[value]

    def _to_float(self, node: ir.Node) -> LoweredValue:
        to_float = self.operators[node.op_type].to_float
        assert to_float is not None  # every operator that defers its nodes has one
        return to_float(self, node)

    def _dequantized(self, name: str, value: Quantized) -> Tensor:
        if value.dequantized is None:
            result = like(value.tensor, name, np.float32)
            value.dequantized = self.program.add("Dequantize", name, [value.tensor], result)
        return value.dequantized


def like(tensor: Tensor, name: str, dtype: np.dtype | type | None = None, params: QuantParams | None = None) -> Tensor:
    """A new tensor with the shape and layout of `tensor`."""
    result = new_tensor(name, tensor.dtype if dtype is None else dtype, tensor.shape, params)
    result.channels_last = tensor.channels_last
    return result


def check_dtype(tensor: Tensor, *dtypes: np.dtype | type) -> None:
    """Refuse a tensor of any other dtype."""
    if tensor.dtype not in dtypes:
        raise Unsupported(f"of {tensor.dtype}")


def static_shape(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a value.

    Raises:
        Unsupported: the shape is unknown, or the value is empty.
    """
    if value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
        raise Unsupported("whose output shape depends on its input")
    shape = tuple(int(dim) for dim in value.shape if isinstance(dim, int))
    if 0 in shape:
        raise Unsupported("whose output is empty")
    return shape


def any_rejected(values: list[LoweredValue]) -> bool:
    """Whether any value is the output of a refused operator."""
    return any(isinstance(value, Rejected) for value in values)


def same_dtype_inputs(lowering: Lowering, values: Sequence[ir.Value | None]) -> list[Tensor]:
    """The two operands as tensors in ONNX's axis order.

    Raises:
        Unsupported: their dtypes differ.
    """
    first, second = (lowering.tensor(value) for value in values)
    if first.dtype != second.dtype:
        raise Unsupported(f"of {first.dtype} and {second.dtype}")
    return [first, second]
