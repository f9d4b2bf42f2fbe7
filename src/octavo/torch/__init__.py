"""Modules in, and float subgraphs as differentiable PyTorch; PyTorch itself is imported only when one is run."""

from __future__ import annotations

from octavo.torch.export import input_names, is_module, to_onnx
from octavo.torch.factory import is_factory, made
from octavo.torch.importance import importance
from octavo.torch.reconstruct import Batch, Biased, Rounded, Task, block_error, corrected_biases, learn_rounding
from octavo.torch.translate import evaluate, pytorch, untranslatable

__all__ = [
    "Batch",
    "Biased",
    "Rounded",
    "Task",
    "block_error",
    "corrected_biases",
    "evaluate",
    "importance",
    "input_names",
    "is_factory",
    "is_module",
    "learn_rounding",
    "made",
    "pytorch",
    "to_onnx",
    "untranslatable",
]
