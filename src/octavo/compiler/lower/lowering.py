"""The state of a lowering: facts about values, the program so far, and what was refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams, dequantize
from octavo.compiler.bundle import DTYPES
from octavo.compiler.lower.facts import Fact, Known, Lost, OnGrid, Pending, Real, Unsupported
from octavo.compiler.lower.layout import Layouts, channels_last_order
from octavo.compiler.program import Program, Tensor, constant_tensor, new_tensor

Handler = Callable[["Lowering", ir.Node], Fact]


@dataclass
class Lowering:
    """What handlers of operators read and write.

    Attributes:
        opset: the version of ONNX's operators.
        finish: writes a pending node down as float.
    """

    opset: int
    finish: Handler
    program: Program = field(default_factory=Program)
    facts: dict[ir.Value, Fact] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.layouts = Layouts(self.program)

    def fact(self, value: ir.Value | None) -> Fact:
        """What is known of an input.

        Raises:
            Unsupported: the input is left out.
        """
        if value is None:
            raise Unsupported("without an input")
        return self.facts[value]

    def given(self, node: ir.Node, index: int) -> ir.Value | None:
        """An input that may be left out."""
        return node.inputs[index] if index < len(node.inputs) else None

    def constant(self, node: ir.Node, index: int, what: str) -> Known:
        """An input that must be known.

        Raises:
            Unsupported: it is computed while the model runs, or left out.
        """
        fact = self.fact(self.given(node, index))
        if not isinstance(fact, Known):
            raise Unsupported(f"with {what} that are computed while the model runs")
        return fact

    def real(self, value: ir.Value | None) -> Tensor:
        """The value as it is, in a tensor with ONNX's axes; numbers on a grid are dequantized."""
        return self.layouts.channels_first(self.real_as_it_lies(value))

    def real_as_it_lies(self, value: ir.Value | None) -> Tensor:
        """The same in the layout that it has."""
        fact = self.fact(value)
        assert value is not None
        if isinstance(fact, Pending):
            fact = self.facts[value] = self.finish(self, fact.node)
        match fact:
            case Real():
                return fact.tensor
            case OnGrid():
                return self._dequantized(value.name or "", fact)
            case Known():
                array = real_array(fact)
                if array.dtype not in DTYPES:
                    raise Unsupported(f"of {array.dtype}")
                tensor = constant_tensor(value.name or "", array)
                self.facts[value] = Real(tensor)
                return tensor
        raise AssertionError(fact)

    def on_grid(self, value: ir.Value | None) -> OnGrid | None:
        """The value's integers of 8 bits with ONNX's axes, one scale for all; None where it has none."""
        found = self.on_grid_as_it_lies(value)
        return None if found is None else OnGrid(self.layouts.channels_first(found.tensor), found.params)

    def on_grid_as_it_lies(self, value: ir.Value | None) -> OnGrid | None:
        """The same in the layout that they have."""
        fact = self.fact(value)
        if isinstance(fact, Known) and fact.params is not None and fact.params.axis is None:
            if fact.params.grid.dtype not in ("int8", "uint8"):
                return None
            name = "" if value is None else value.name or ""
            return OnGrid(constant_tensor(name, fact.array, fact.params), fact.params)
        return fact if isinstance(fact, OnGrid) else None

    def new(
        self,
        node: ir.Node,
        dtype: np.dtype | type = np.float32,
        params: QuantParams | None = None,
        *,
        channels_last: bool = False,
    ) -> Tensor:
        """A tensor for the node's first output."""
        value = node.outputs[0]
        shape = static_shape(value)
        if channels_last:
            shape = tuple(shape[axis] for axis in channels_last_order(len(shape)))
        tensor = new_tensor(value.name or "", dtype, shape, params)
        tensor.channels_last = channels_last
        return tensor

    def _dequantized(self, name: str, fact: OnGrid) -> Tensor:
        if fact.real is None:
            result = like(fact.tensor, name, np.float32)
            fact.real = self.program.add("Dequantize", name, [fact.tensor], result)
        return fact.real


def like(tensor: Tensor, name: str, dtype: np.dtype | type | None = None, params: QuantParams | None = None) -> Tensor:
    """A tensor of the same shape and layout in a buffer of its own."""
    made = new_tensor(name, tensor.dtype if dtype is None else dtype, tensor.shape, params)
    made.channels_last = tensor.channels_last
    return made


def real_array(fact: Known) -> np.ndarray:
    """The numbers of a constant, dequantized where they are integers on a grid."""
    return fact.array if fact.params is None else dequantize(fact.array, fact.params)


def static_shape(value: ir.Value) -> tuple[int, ...]:
    """The value's shape.

    Raises:
        Unsupported: it depends on the input.
    """
    if value.shape is None or not all(isinstance(dim, int) for dim in value.shape):
        raise Unsupported("whose output's shape depends on its input")
    shape = tuple(int(dim) for dim in value.shape if isinstance(dim, int))
    if 0 in shape:
        raise Unsupported("whose output is empty")
    return shape


def lost(facts: list[Fact]) -> bool:
    """Whether any comes from an operator that was refused."""
    return any(isinstance(fact, Lost) for fact in facts)
