"""What is said of a network, and how it becomes an ONNX model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
import torch
from torch import nn

import octavo

_SETTLING = 4


@dataclass(frozen=True)
class Network:
    """A network by its name.

    Attributes:
        make: builds it, with random weights.
        shape: of one sample, the batch of 1 in front included.
    """

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]

    def model(self) -> ir.Model:
        """In ONNX; always the same weights."""
        torch.manual_seed(0)
        module = self.make()
        settle(module, torch.from_numpy(self.samples(_SETTLING)))
        return octavo.torch.to_onnx(module, torch.zeros(self.shape))

    def samples(self, count: int) -> np.ndarray:
        """So many normal ones."""
        rng = np.random.default_rng(count)
        return rng.standard_normal((count, *self.shape[1:]), dtype=np.float32)


@torch.no_grad()
def settle(module: nn.Module, samples: torch.Tensor) -> None:
    """Let batch norms take their statistics from samples, so that activations neither vanish nor explode."""
    norms = [each for each in module.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        module.train()
        module(samples)
    module.eval()
