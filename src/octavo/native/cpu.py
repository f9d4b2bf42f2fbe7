"""What the native kernels run on."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.native._native import compiled, runnable
from octavo.native.kernels import kernels


@dataclass(frozen=True)
class Cpu:
    """Instruction sets, by name, from the plainest to the most preferred.

    Attributes:
        runs: the one whose kernels run.
        available: those that this processor has.
        compiled: those that kernels exist for.
    """

    runs: str
    available: tuple[str, ...]
    compiled: tuple[str, ...]


def cpu() -> Cpu:
    """Which instruction set the native kernels use on this processor, and which others they could.

    Raises:
        OptionError: OCTAVO_ISA names one that is unknown or that the processor does not have.
    """
    return Cpu(kernels().name, tuple(runnable()), tuple(compiled()))
