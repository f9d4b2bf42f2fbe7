"""The PyTorch door: models as differentiable modules, and training; PyTorch is imported only when one is used."""

from __future__ import annotations

from octavo.torch.example_inputs import first_inputs
from octavo.torch.export import is_module, module_sha256, to_onnx
from octavo.torch.finetune import Training, epoch_seconds, finetune
from octavo.torch.importance import importance
from octavo.torch.prepare import as_module, convert, prepare, trainable
from octavo.torch.reconstruct import Batch, Biased, Rounded, Task, block_error, corrected_biases, learn_rounding
from octavo.torch.translate import evaluate, pytorch, untranslatable

__all__ = [
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
    "first_inputs",
    "importance",
    "is_module",
    "learn_rounding",
    "module_sha256",
    "prepare",
    "pytorch",
    "to_onnx",
    "trainable",
    "untranslatable",
]
