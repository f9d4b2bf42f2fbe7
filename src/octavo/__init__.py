"""Post-training quantization, made whole: an FP32 model and a little data in, a verified INT8 model out.

`dir(octavo)` is the public surface. Every name is imported on first use, so that `import octavo` loads neither NumPy
nor ONNX nor an engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from octavo import errors, report, targets, torch
    from octavo.data import Preprocess
    from octavo.engines.native import load
    from octavo.measure import Evaluation, MetricResult, evaluation
    from octavo.native import Cpu, cpu
    from octavo.pipeline.bench import bench
    from octavo.pipeline.compare import compare
    from octavo.pipeline.compile import compile
    from octavo.pipeline.explain import explain
    from octavo.pipeline.inspection import inspect
    from octavo.pipeline.options import Budget
    from octavo.pipeline.quantize import quantize
    from octavo.pipeline.recipe import Recipe
    from octavo.pipeline.result import QuantizationResult
    from octavo.pipeline.run import run
    from octavo.targets import Target

    __version__: str

__all__ = [
    "Budget",
    "Cpu",
    "Evaluation",
    "MetricResult",
    "Preprocess",
    "QuantizationResult",
    "Recipe",
    "Target",
    "bench",
    "compare",
    "compile",
    "cpu",
    "errors",
    "evaluation",
    "explain",
    "inspect",
    "load",
    "quantize",
    "report",
    "run",
    "targets",
    "torch",
]

# The module that defines each public name; a name without a line here is a submodule of this package.
_MODULES = {
    "Budget": "octavo.pipeline.options",
    "Cpu": "octavo.native",
    "Evaluation": "octavo.measure",
    "MetricResult": "octavo.measure",
    "Preprocess": "octavo.data",
    "QuantizationResult": "octavo.pipeline.result",
    "Recipe": "octavo.pipeline.recipe",
    "Target": "octavo.targets",
    "bench": "octavo.pipeline.bench",
    "compare": "octavo.pipeline.compare",
    "compile": "octavo.pipeline.compile",
    "cpu": "octavo.native",
    "evaluation": "octavo.measure",
    "explain": "octavo.pipeline.explain",
    "inspect": "octavo.pipeline.inspection",
    "load": "octavo.engines.native",
    "quantize": "octavo.pipeline.quantize",
    "run": "octavo.pipeline.run",
}


def __dir__() -> list[str]:
    return list(__all__)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("octavo")
    elif name in _MODULES:
        value = getattr(import_module(_MODULES[name]), name)
    elif name in __all__:
        value = import_module(f"octavo.{name}")
    else:
        raise AttributeError(f"module 'octavo' has no attribute '{name}'; it has {', '.join(__all__)}")
    globals()[name] = value
    return value
