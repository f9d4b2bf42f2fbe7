"""Float subgraphs as differentiable PyTorch; PyTorch itself is imported only when one is run."""

from __future__ import annotations

from octavo.torch.reconstruct import Batch, Rounded, Task, block_error, learn_rounding
from octavo.torch.translate import evaluate, pytorch, untranslatable

__all__ = [
    "Batch",
    "Rounded",
    "Task",
    "block_error",
    "evaluate",
    "learn_rounding",
    "pytorch",
    "untranslatable",
]
