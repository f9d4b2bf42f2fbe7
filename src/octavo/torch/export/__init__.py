"""Export PyTorch modules to ONNX."""

from octavo.torch.export.convert import to_onnx
from octavo.torch.export.digest import module_sha256
from octavo.torch.export.factory import load_factory

__all__ = ["load_factory", "module_sha256", "to_onnx"]
