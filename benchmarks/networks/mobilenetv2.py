"""MobileNetV2 of width 1 (Sandler et al. 2018, table 2)."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.networks.network import Network

# Expansion, channels, blocks, stride of the first block.
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_FIRST, _LAST, _CLASSES = 32, 1280, 1000


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution and its batch norm."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out")
    return [conv, nn.BatchNorm2d(outputs)]


class InvertedResidual(nn.Module):
    """1x1 expansion, depthwise 3x3, 1x1 projection; residual add where the shapes are equal."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        layers = [] if expansion == 1 else [*convolution(inputs, wide, 1), nn.ReLU6()]
        layers += [*convolution(wide, wide, 3, stride, groups=wide), nn.ReLU6()]
        self.layers = nn.Sequential(*layers, *convolution(wide, outputs, 1))
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y if self.residual else y


def make() -> nn.Module:
    """Build it with random weights."""
    layers: list[nn.Module] = [*convolution(3, _FIRST, 3, 2), nn.ReLU6()]
    channels = _FIRST
    for expansion, outputs, blocks, stride in _STAGES:
        for index in range(blocks):
            layers.append(InvertedResidual(channels, outputs, stride if index == 0 else 1, expansion))
            channels = outputs
    layers += [*convolution(channels, _LAST, 1), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(_LAST, _CLASSES))


MOBILENETV2 = Network("MobileNetV2", make, (1, 3, 224, 224))
