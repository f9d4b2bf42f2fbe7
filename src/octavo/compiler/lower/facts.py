"""What is known of a value of the graph while it is lowered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

from octavo.affine import QuantParams
from octavo.compiler.program import Tensor


class Unsupported(Exception):  # noqa: N818 - a finding, not a fault
    """An operator that has no kernel, and why, in a few words; '' where its type has none at all."""


@dataclass
class Real:
    """Its numbers are in a tensor as they are: floats, or integers that are no quantized numbers."""

    tensor: Tensor


@dataclass
class OnGrid:
    """It is what the integers of a tensor stand for; `real` holds them as floats, once something asked."""

    tensor: Tensor
    params: QuantParams
    real: Tensor | None = None


@dataclass
class Known:
    """A constant; `params` where it is what these integers stand for."""

    array: NDArray[Any]
    params: QuantParams | None = None


@dataclass
class Pending:
    """Made by a node that is written down once it is clear whether its result goes to a grid."""

    node: ir.Node


@dataclass
class Lost:
    """Made by an operator that was refused."""


Fact = Real | OnGrid | Known | Pending | Lost
