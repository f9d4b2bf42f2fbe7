"""The PyTorch door: models as differentiable modules, and training; PyTorch is imported only when one is used."""

from __future__ import annotations

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
    "learn_rounding",
    "prepare",
    "pytorch",
    "trainable",
    "untranslatable",
]
