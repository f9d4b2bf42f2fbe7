"""Train quantized networks, and learn how their weights are rounded."""

from octavo.torch.train.finetune import epoch_seconds, finetune
from octavo.torch.train.importance import importance
from octavo.torch.train.prepare import convert, prepare, trainable
from octavo.torch.train.reconstruct import block_error, corrected_biases, learn_rounding

__all__ = [
    "block_error",
    "convert",
    "corrected_biases",
    "epoch_seconds",
    "finetune",
    "importance",
    "learn_rounding",
    "prepare",
    "trainable",
]
