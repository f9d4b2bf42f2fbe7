"""PyTorch modules in and out: export to ONNX, run and train quantized models, read models that PyTorch quantized.

PyTorch is optional. `import octavo.torch` does not import it; the first use of a name that needs it does, and raises
`DependencyError` where it is not installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from octavo.errors import DependencyError
from octavo.torch.block import Batch, Biased, Rounded, Task
from octavo.torch.detect import input_names, is_factory, is_module
from octavo.torch.training import Training

if TYPE_CHECKING:
    from octavo.torch.adopt import Agreement, from_pt2e, from_quantized, from_state_dict, verify
    from octavo.torch.export import load_factory, module_sha256, to_onnx
    from octavo.torch.run import as_module, evaluate, untranslatable
    from octavo.torch.train import (
        block_error,
        convert,
        corrected_biases,
        epoch_seconds,
        finetune,
        importance,
        learn_rounding,
        prepare,
        trainable,
    )

__all__ = [
    "Agreement",
    "Batch",
    "Biased",
    "Rounded",
    "Task",
    "Training",
    "as_module",
    "block_error",
    "convert",
    "corrected_biases",
    "epoch_seconds",
    "evaluate",
    "finetune",
    "from_pt2e",
    "from_quantized",
    "from_state_dict",
    "importance",
    "input_names",
    "is_factory",
    "is_module",
    "learn_rounding",
    "load_factory",
    "module_sha256",
    "prepare",
    "to_onnx",
    "trainable",
    "untranslatable",
    "verify",
]

# The subpackage of each name that needs PyTorch.
_SUBPACKAGES = {
    "Agreement": "adopt",
    "as_module": "run",
    "block_error": "train",
    "convert": "train",
    "corrected_biases": "train",
    "epoch_seconds": "train",
    "evaluate": "run",
    "finetune": "train",
    "from_pt2e": "adopt",
    "from_quantized": "adopt",
    "from_state_dict": "adopt",
    "importance": "train",
    "learn_rounding": "train",
    "load_factory": "export",
    "module_sha256": "export",
    "prepare": "train",
    "to_onnx": "export",
    "trainable": "train",
    "untranslatable": "run",
    "verify": "adopt",
}


def __dir__() -> list[str]:
    return list(__all__)


def __getattr__(name: str) -> Any:
    """Import the subpackage of a public name when the name is used (PEP 562).

    Raises:
        DependencyError: PyTorch is not installed.
    """
    if name not in _SUBPACKAGES:
        raise AttributeError(f"module 'octavo.torch' has no attribute '{name}'; it has {', '.join(__all__)}")
    try:
        import_module("torch")
    except ImportError:
        raise DependencyError("PyTorch", "torch") from None
    return getattr(import_module(f"octavo.torch.{_SUBPACKAGES[name]}"), name)
