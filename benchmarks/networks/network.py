"""A network's description, and its conversion to an ONNX model."""

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
    """A network to measure.

    Attributes:
        make: builds it with random weights.
        shape: input shape of one sample, including the batch axis of 1.
    """

    name: str
    make: Callable[[], nn.Module]
    shape: tuple[int, ...]

    def model(self) -> ir.Model:
        """The ONNX model; the weights are deterministic."""
        torch.manual_seed(0)
        module = self.make()
        settle(module, torch.from_numpy(self.samples(_SETTLING)))
        return octavo.torch.to_onnx(module, torch.zeros(self.shape))

    def samples(self, count: int) -> np.ndarray:
        """`count` samples of normally distributed values."""
        rng = np.random.default_rng(count)
        return rng.standard_normal((count, *self.shape[1:]), dtype=np.float32)


@torch.no_grad()
def settle(module: nn.Module, samples: torch.Tensor) -> None:
    """Set the batch norm statistics from samples, so that activations neither vanish nor explode."""
    norms = [layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        module.train()
        module(samples)
    module.eval()
