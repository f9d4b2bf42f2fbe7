"""Float subgraphs as differentiable PyTorch; PyTorch itself is imported only when one is run."""

from __future__ import annotations

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
    "learn_rounding",
    "pytorch",
    "untranslatable",
]
