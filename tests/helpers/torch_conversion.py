"""Small modules, and their quantization by PyTorch's flows."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

ENGINES = [name for name in ("fbgemm", "x86") if name in torch.backends.quantized.supported_engines]
SHAPE = (4, 3, 9, 7)


class Chain(nn.Module):
    """Convolutions, a pool and a classifier, all as modules."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu1 = nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()
        self.conv2, self.relu2 = nn.Conv2d(32, 32, 3, stride=2, groups=2), nn.ReLU()
        self.conv3, self.pool = nn.Conv2d(32, 64, (1, 2), bias=False), nn.MaxPool2d(2)
        self.fc = nn.Linear(128, 5)

    def forward(self, x: Any) -> Any:
        x = self.relu2(self.conv2(self.relu1(self.conv1(x))))
        return self.fc(torch.flatten(self.pool(self.conv3(x)), 1))


class Residual(nn.Module):
    """A residual block, for the eager flow."""

    def __init__(self) -> None:
        super().__init__()
        self.quant, self.dequant = quantization.QuantStub(), quantization.DeQuantStub()
        self.conv1, self.relu1 = nn.Conv2d(3, 32, 3, padding=1), nn.ReLU()
        self.conv2, self.skip = nn.Conv2d(32, 32, 3, padding=1), nn.quantized.FloatFunctional()
        self.mean, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(32, 5)

    def forward(self, x: Any) -> Any:
        x = self.relu1(self.conv1(self.quant(x)))
        x = self.skip.add_relu(self.conv2(x), x)
        return self.dequant(self.fc(self.mean(x).flatten(1)))


def images(seed: int = 0, shape: tuple[int, ...] = SHAPE) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) + 0.2


def seeded(kind: type[nn.Module], bias: bool = True) -> nn.Module:
    """A seeded module; without biases its quantized form uses only integers."""
    torch.manual_seed(0)
    module = kind().eval()
    for name, parameter in module.named_parameters():
        if name.endswith(".bias") and not bias:
            nn.init.zeros_(parameter)
    return module


def by_fx(module: nn.Module, batches: list[Any], engine: str = "fbgemm") -> Any:
    """The module quantized by FX graph mode with PyTorch's default configuration of an engine."""
    torch.backends.quantized.engine = engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = quantization.get_default_qconfig_mapping(engine)
        prepared = quantize_fx.prepare_fx(module, mapping, (batches[0],))
        for batch in batches:
            prepared(batch)
        return quantize_fx.convert_fx(prepared)


def by_hand(batches: list[Any], engine: str = "fbgemm", bias: bool = True) -> Any:
    """`Residual` quantized in eager mode."""
    torch.backends.quantized.engine = engine
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = quantization.fuse_modules(seeded(Residual, bias), [["conv1", "relu1"]])
        module.qconfig = quantization.get_default_qconfig(engine)
        prepared = quantization.prepare(module)
        for batch in batches:
            prepared(batch)
        return quantization.convert(prepared)


def in_onnx(module: nn.Module, sample: Any, folder: Path) -> ir.Model:
    """The float module; nodes are named after the modules' paths."""
    file = folder / "float.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (sample,), str(file), dynamo=False, opset_version=17, input_names=["x"],
            dynamic_axes={"x": {0: "N"}},
        )  # fmt: skip
    return ir.load(file)
