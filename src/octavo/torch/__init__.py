"""Float subgraphs as differentiable PyTorch; PyTorch itself is imported only when one is run."""

from __future__ import annotations

from octavo.torch.translate import evaluate, untranslatable

__all__ = ["evaluate", "untranslatable"]
