"""The lowering of every supported ONNX operator, collected from the files of `operators`."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from octavo.compiler.lower import operators
from octavo.compiler.lower.lowering import OpLowering


def _collected() -> dict[str, OpLowering]:
    lowerings: dict[str, OpLowering] = {}
    for module in iter_modules(operators.__path__):
        lowerings |= import_module(f"{operators.__name__}.{module.name}").LOWERINGS
    return lowerings


OPERATORS: dict[str, OpLowering] = _collected()
