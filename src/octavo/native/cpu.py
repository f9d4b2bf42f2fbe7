"""The instruction sets of the native kernels."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.native._native import compiled, runnable
from octavo.native.kernels import kernels


@dataclass(frozen=True)
class Cpu:
    """Names of instruction sets, from scalar to the most preferred.

    Attributes:
        runs: the one whose kernels are used.
        available: those that this processor supports.
        compiled: those that kernels were compiled for.
    """

    runs: str
    available: tuple[str, ...]
    compiled: tuple[str, ...]


def cpu() -> Cpu:
    """The instruction set that the native kernels use on this processor, and the others that they could use.

    Raises:
        OptionError: OCTAVO_ISA names an instruction set that is unknown or not supported by this processor.
    """
    return Cpu(kernels().name, tuple(runnable()), tuple(compiled()))
