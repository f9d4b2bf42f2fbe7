"""Importance of intermediate tensors for the outputs of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray

from octavo.torch.run.evaluate import evaluate

_DRAWS = 4


def importance(
    nodes: Sequence[ir.Node],
    batch: Mapping[str, NDArray[Any]],
    tensors: Sequence[str],
    outputs: Sequence[str],
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """Estimate the diagonal of J^T J for each tensor: the squared gradient of random sums of the outputs.

    An error e in an element adds about e^2 times its importance to the squared error of the outputs, as with the
    Fisher information in BRECQ (Li et al. 2021, equation 10). 0 for elements that no output depends on.

    Args:
        nodes: nodes of the float model.
        batch: its inputs, at least one of them float.
        tensors: names of the intermediate tensors.
        outputs: names of the outputs whose error counts.
        seed: seed of the random signs.

    Returns:
        Importance by tensor name, same shapes as the tensors.
    """
    random = torch.Generator().manual_seed(seed)
    inputs = {name: torch.tensor(array) for name, array in batch.items()}
    for tensor in inputs.values():
        tensor.requires_grad_(tensor.is_floating_point())
    values = evaluate(nodes, inputs)
    inside = [values[name] for name in tensors]
    totals = [torch.zeros_like(tensor) for tensor in inside]
    for _ in range(_DRAWS):
        signs = [torch.randint(0, 2, values[name].shape, generator=random) * 2 - 1 for name in outputs]
        total_output = sum((values[name] * sign).sum() for name, sign in zip(outputs, signs, strict=True))
        assert isinstance(total_output, torch.Tensor)
        gradients = torch.autograd.grad(total_output, inside, retain_graph=True, allow_unused=True)
        totals = [
            total if gradient is None else total + gradient**2
            for total, gradient in zip(totals, gradients, strict=True)
        ]
    return {name: np.asarray(total.numpy() / _DRAWS, np.float32) for name, total in zip(tensors, totals, strict=True)}
