"""Float subgraphs as differentiable PyTorch, and models that PyTorch quantized; PyTorch is imported only when used."""

from __future__ import annotations

from octavo.torch.importance import importance
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
    "block_error",
    "corrected_biases",
    "evaluate",
    "from_pt2e",
    "from_quantized",
    "from_state_dict",
    "importance",
    "learn_rounding",
    "pytorch",
    "untranslatable",
    "verify",
]
