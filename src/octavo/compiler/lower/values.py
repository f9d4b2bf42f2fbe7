"""What is known about a value of the ONNX graph during lowering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import QuantParams, dequantize
from octavo.compiler.program import Tensor


class Unsupported(Exception):  # noqa: N818 - a reason to refuse an operator, not a fault
    """An operator without a kernel; the message is the reason in a few words, or empty if its type has no kernel."""


@dataclass
class Plain:
    """A tensor of floats, or of integers that are not quantized values."""

    tensor: Tensor


@dataclass
class Quantized:
    """A tensor of quantized integers with its parameters; `dequantized` caches the float tensor once it is needed."""

    tensor: Tensor
    params: QuantParams
    dequantized: Tensor | None = None


@dataclass
class Constant:
    """A constant array; with `params`, quantized integers."""

    array: NDArray[Any]
    params: QuantParams | None = None

    @property
    def values(self) -> NDArray[Any]:
        """The array, dequantized if it has parameters."""
        return self.array if self.params is None else dequantize(self.array, self.params)

    @property
    def floats(self) -> NDArray[np.float32]:
        """`values` as float32."""
        return self.values.astype(np.float32)


@dataclass
class Deferred:
    """The output of a node that is lowered once it is known whether its result is quantized."""

    node: ir.Node


@dataclass
class Rejected:
    """The output of a node that was refused."""


LoweredValue = Plain | Quantized | Constant | Deferred | Rejected
