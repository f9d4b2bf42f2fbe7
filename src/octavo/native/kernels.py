"""The kernels of one instruction set; arrays of a wrong type, size or layout are refused."""

from __future__ import annotations

from octavo.errors import OptionError
from octavo.native._native import Kernels, Product
from octavo.native._native import kernels as _kernels

__all__ = ["Kernels", "Product", "kernels"]


def kernels(isa: str = "") -> Kernels:
    """The kernels of an instruction set: of `isa`, else of OCTAVO_ISA, else the best that this processor runs.

    Nothing is cached here: nanobind reports an instance that outlives the interpreter as a leak.

    Raises:
        OptionError: the instruction set is unknown or not supported by this processor.
    """
    try:
        return _kernels(isa)
    except ValueError as error:
        raise OptionError(str(error)) from None
