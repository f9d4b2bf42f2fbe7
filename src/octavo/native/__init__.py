"""The native kernels: which instruction set runs, and the kernels themselves."""

from __future__ import annotations

from octavo.native.cpu import Cpu, cpu
from octavo.native.kernels import Kernels, Product, count_bins, kernels

__all__ = ["Cpu", "Kernels", "Product", "count_bins", "cpu", "kernels"]
