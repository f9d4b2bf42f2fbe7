"""Modules as users write them."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    """A residual block: a convolution and a depthwise one, each with BatchNorm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.act = nn.ReLU6()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.bn2(self.conv2(self.act(self.bn1(self.conv1(x))))) + x)


class Residual(nn.Module):
    """Two blocks between a stem and a classifier: 3x12x12 in, 10 out."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.layer1 = nn.Sequential(Block(8), Block(8))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 10)

    def forward(self, image: Any) -> Any:
        return self.fc(self.dropout(torch.flatten(self.pool(self.layer1(self.stem(image))), 1)))


class Attention(nn.Module):
    """A transformer's block on 16 numbers a token."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(16, 16) for _ in range(3))
        self.norm = nn.LayerNorm(16)
        self.up, self.down = nn.Linear(16, 64), nn.Linear(64, 16)

    def forward(self, x: Any, mask: Any) -> Any:
        scores = self.q(x) @ self.k(x).transpose(-1, -2) / 4 + (1 - mask)[:, None] * -1e4
        x = self.norm(x + torch.softmax(scores, -1) @ self.v(x))
        return x + self.down(nn.functional.gelu(self.up(x)))


class Branching(nn.Module):
    """What it does hangs on the data: torch.export refuses it."""

    def forward(self, x: Any) -> Any:
        return x if x.sum() > 0 else x * 2


class Holder(nn.Module):
    """With what cannot be exported deep inside."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Branching()))

    def forward(self, x: Any) -> Any:
        return self.body(x)


def trained(module: Any, seed: int = 0) -> Any:
    """With running statistics that are not those of the beginning."""
    torch.manual_seed(seed)
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d):
            each.running_mean.normal_(0, 0.3)
            each.running_var.uniform_(0.5, 2.0)
            each.weight.data.uniform_(0.5, 1.5)
    return module
