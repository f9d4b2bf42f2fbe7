"""The encoder of MiniLM-L6 (Wang et al. 2020): six layers of BERT, from embeddings of 128 tokens on."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.networks.network import Network

_TOKENS, _HIDDEN, _HEADS, _LAYERS, _INNER = 128, 384, 12, 6, 1536
_EPSILON = 1e-12


class Attention(nn.Module):
    """Of every token to all tokens, as BERT exports it: products, their scale and Softmax as they are written."""

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
    """Attention and two products with an exact GELU between them; each sum is normalized."""

    def __init__(self) -> None:
        super().__init__()
        self.attention, self.first_norm = Attention(), nn.LayerNorm(_HIDDEN, _EPSILON)
        self.wider, self.narrower = nn.Linear(_HIDDEN, _INNER), nn.Linear(_INNER, _HIDDEN)
        self.gelu, self.second_norm = nn.GELU(), nn.LayerNorm(_HIDDEN, _EPSILON)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first_norm(x + self.attention(x))
        return self.second_norm(x + self.narrower(self.gelu(self.wider(x))))


def make() -> nn.Module:
    """Of random weights, small enough that attention is not all on one token."""
    module = nn.Sequential(*(Layer() for _ in range(_LAYERS)))
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.xavier_normal_(each.weight)
    return module


MINILM = Network("MiniLM-L6", make, (1, _TOKENS, _HIDDEN))
