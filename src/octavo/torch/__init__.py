"""The PyTorch door: models as differentiable modules, and training; PyTorch is imported only when one is used."""

from __future__ import annotations

from octavo.torch.digest import module_sha256
from octavo.torch.export import input_names, is_module, to_onnx
from octavo.torch.factory import is_factory, made
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
    "importance",
    "input_names",
    "is_factory",
    "is_module",
    "learn_rounding",
    "made",
    "module_sha256",
    "prepare",
    "pytorch",
    "to_onnx",
    "trainable",
    "untranslatable",
]
