"""The kernels of one instruction set. They trust little: arrays of a wrong type or size are refused."""

from __future__ import annotations

from functools import cache

from octavo.errors import OptionError
from octavo.native._native import Kernels, Product
from octavo.native._native import kernels as _kernels

__all__ = ["Kernels", "Product", "kernels"]


@cache
def kernels(isa: str = "") -> Kernels:
    """The kernels of an instruction set; by default of that in OCTAVO_ISA, or else the best that runs here.

    Raises:
        OptionError: the instruction set is unknown, or the processor does not have it.
    """
    try:
        return _kernels(isa)
    except ValueError as error:
        raise OptionError(str(error)) from None
