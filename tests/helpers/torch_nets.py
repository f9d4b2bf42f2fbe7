"""Small networks of common kinds, with batch norm statistics other than the initial ones."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
nn = torch.nn


class Block(nn.Module):
    """A residual block, as in ResNet-18."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = inputs == outputs
        self.downsample = None if same else nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Block(8, 8), Block(8, 16))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(16, 4)

    def forward(self, image):
        x = self.layer1(torch.relu(self.bn1(self.conv1(image))))
        return self.fc(self.dropout(x.mean((2, 3))))


def separable() -> nn.Module:
    """Depthwise and pointwise convolutions, as in MobileNet."""
    features = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, groups=1),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU6(),
        nn.Conv2d(8, 16, 1, bias=False),
        nn.BatchNorm2d(16),
    )
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 4))
    return nn.Sequential(features, head)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x):
        query, key, value = (
            projection(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in (self.query, self.key, self.value)
        )
        y = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.out(y.transpose(1, 2).flatten(2))


class Encoder(nn.Module):
    """A transformer block between an embedding and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 16)
        self.attn = Attention(16, 4)
        self.norm = nn.LayerNorm(16)
        self.mlp = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))
        self.head = nn.Linear(16, 3)

    def forward(self, ids):
        x = self.embed(ids)
        x = self.norm(x + self.attn(x))
        x = x + self.mlp(x)
        return {"logits": self.head(x[:, 0]), "hidden": x}


class Branching(nn.Module):
    """Control flow that depends on values, which no exporter can trace."""

    def forward(self, x):
        return x if x.sum().item() > 0 else -x


class Faulty(nn.Module):
    """A network whose second stage has a part that cannot be exported."""

    def __init__(self) -> None:
        super().__init__()
        exportable = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
        self.stages = nn.ModuleList([exportable, nn.Sequential(nn.Linear(4, 4), Branching())])

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return x


def settled(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with batch norm statistics and affine parameters as after training."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        for name in ("running_mean", "weight", "bias"):
            tensor = getattr(part, name, None)
            if tensor is not None and not isinstance(part, nn.Conv2d | nn.Linear | nn.Embedding):
                tensor.data = 0.2 * torch.randn(tensor.shape, generator=generator) + (name == "weight")
        if getattr(part, "running_var", None) is not None:
            part.running_var.uniform_(0.5, 2, generator=generator)
    return module


def images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def tokens(count: int) -> torch.Tensor:
    return torch.randint(0, 50, (count, 6), generator=torch.Generator().manual_seed(count))
