"""The native kernels: which instruction set runs, and the kernels themselves."""

from __future__ import annotations

from octavo.native.cpu import Cpu, cpu
from octavo.native.kernels import Kernels, Product, kernels

__all__ = ["Cpu", "Kernels", "Product", "cpu", "kernels"]
