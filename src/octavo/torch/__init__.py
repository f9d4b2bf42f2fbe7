"""The PyTorch door: modules in, models as modules, and training; PyTorch is imported only when one is used."""

from __future__ import annotations

from octavo.torch.digest import module_sha256
from octavo.torch.export import input_names, is_module, to_onnx
from octavo.torch.factory import is_factory, made
from octavo.torch.finetune import Training, epoch_seconds, finetune
from octavo.torch.importance import importance
from octavo.torch.prepare import as_module, convert, prepare, trainable
from octavo.torch.pt2e import from_pt2e
from octavo.torch.quantized import from_quantized
from octavo.torch.reconstruct import Batch, Biased, Rounded, Task, block_error, corrected_biases, learn_rounding
from octavo.torch.state_dict import from_state_dict
from octavo.torch.translate import evaluate, pytorch, untranslatable
from octavo.torch.verify import Agreement, verify

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
    "made",
    "module_sha256",
    "prepare",
    "pytorch",
    "to_onnx",
    "trainable",
    "untranslatable",
    "verify",
]
