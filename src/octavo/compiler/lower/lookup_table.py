"""Functions of quantized integers as 256-entry lookup tables."""

from __future__ import annotations

import numpy as np

from octavo.affine import QuantParams, dequantize, quantize
from octavo.compiler.lower.lowering import Lowering, like
from octavo.compiler.lower.target import Target
from octavo.compiler.lower.values import Quantized
from octavo.compiler.program import Tensor, constant_tensor


def requantized(lowering: Lowering, name: str, source: Quantized, target: Target) -> Tensor:
    """The integers on the target's grid; the tensor itself if its parameters are already those."""
    if target.is_full_range and _equal(source.params, target.params):
        return source.tensor
    inputs = np.arange(source.params.grid.qmin, source.params.grid.qmax + 1)
    return look_up(lowering, name, source, quantize(dequantize(inputs, source.params), target.params), target)


def look_up(lowering: Lowering, name: str, source: Quantized, entries: np.ndarray, target: Target) -> Tensor:
    """Map the integers through `entries`, one for each integer from qmin to qmax, clipped to the target's bounds.

    The stored table is indexed by the byte's bits, so that of a signed grid is rotated.
    """
    table = np.clip(entries, target.low, target.high)
    if source.params.grid.signed:
        table = np.roll(table, 128)
    content = constant_tensor(f"{name}_table", table, target.params)
    result = like(source.tensor, name, table.dtype, target.params)
    return lowering.program.add("Lookup", name, [source.tensor, content], result)


def _equal(a: QuantParams, b: QuantParams) -> bool:
    return a.grid == b.grid and float(a.scale) == float(b.scale) and int(a.zero_point) == int(b.zero_point)
