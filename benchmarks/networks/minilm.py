"""The encoder of MiniLM-L6 (Wang et al. 2020): six BERT layers on the embeddings of 128 tokens."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.networks.network import Network

_TOKENS, _HIDDEN, _HEADS, _LAYERS, _INNER = 128, 384, 12, 6, 1536
_EPSILON = 1e-12


class Attention(nn.Module):
    """Multi-head self-attention as BERT exports it: separate MatMul, scale and Softmax nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = (nn.Linear(_HIDDEN, _HIDDEN) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (self.heads(project(x)) for project in (self.query, self.key, self.value))
        scores = query @ key.transpose(-1, -2) / (_HIDDEN // _HEADS) ** 0.5
        mixed = scores.softmax(-1) @ value
        return self.output(mixed.transpose(1, 2).reshape(-1, _TOKENS, _HIDDEN))

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        return x.reshape(-1, _TOKENS, _HEADS, _HIDDEN // _HEADS).transpose(1, 2)


class Layer(nn.Module):
    """Attention and two dense layers with an exact GELU between them; layer normalization after each residual add."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.first_norm = Attention(), nn.LayerNorm(_HIDDEN, _EPSILON)
        self.wider, self.narrower = nn.Linear(_HIDDEN, _INNER), nn.Linear(_INNER, _HIDDEN)
        self.gelu, self.second_norm = nn.GELU(), nn.LayerNorm(_HIDDEN, _EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first_norm(x + self.attention(x))
        return self.second_norm(x + self.narrower(self.gelu(self.wider(x))))


def make() -> nn.Module:
    """Random weights, small enough that attention does not collapse to one token."""
    module = nn.Sequential(*(Layer() for _ in range(_LAYERS)))
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
    return module


MINILM = Network("MiniLM-L6", make, (1, _TOKENS, _HIDDEN))
