"""The native core: instruction sets, kernels, and the runtime that executes bundles."""

from __future__ import annotations

from octavo.native.cpu import Cpu, cpu
from octavo.native.kernels import Kernels, Product, kernels
from octavo.native.operators import Sketches, operator_library
from octavo.native.runtime import BundleModel, BundleSession, open_bundle, open_session, operator_schema

__all__ = [
    "BundleModel",
    "BundleSession",
    "Cpu",
    "Kernels",
    "Product",
    "Sketches",
    "cpu",
    "kernels",
    "open_bundle",
    "open_session",
    "operator_library",
    "operator_schema",
]
