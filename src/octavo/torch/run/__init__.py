"""Run float and QDQ ONNX models in PyTorch, differentiably."""

from octavo.torch.run.evaluate import evaluate, untranslatable
from octavo.torch.run.network import Network, as_module

__all__ = ["Network", "as_module", "evaluate", "untranslatable"]
