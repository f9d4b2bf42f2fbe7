"""How much the outputs of a network depend on tensors inside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.torch.translate import evaluate, pytorch

_DRAWS = 4


def importance(
    nodes: Sequence[ir.Node],
    batch: Mapping[str, NDArray[Any]],
    tensors: Sequence[str],
    outputs: Sequence[str],
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """For each number of the tensors, the squared gradient of a random sum of the outputs: the diagonal of J^T J.

    An error e inside adds about e^2 times this to the squared error of the outputs, as the Fisher
    information does in BRECQ (Li et al. 2021, equation 10); 0 where no output depends on it.

    Args:
        nodes: the float model's.
        batch: its inputs, one of them float.
        tensors: which to look at.
        outputs: whose error counts.
        seed: of the random signs.
    """
    torch = pytorch()
    random = torch.Generator().manual_seed(seed)
    given = {name: torch.tensor(array) for name, array in batch.items()}
    for tensor in given.values():
        tensor.requires_grad_(tensor.is_floating_point())
    values = evaluate(nodes, given)
    inside = [values[name] for name in tensors]
    found = [torch.zeros_like(tensor) for tensor in inside]
    for _ in range(_DRAWS):
        signs = [torch.randint(0, 2, values[name].shape, generator=random) * 2 - 1 for name in outputs]
        total = sum((values[name] * sign).sum() for name, sign in zip(outputs, signs, strict=True))
        slopes = torch.autograd.grad(total, inside, retain_graph=True, allow_unused=True)
        found = [each if slope is None else each + slope**2 for each, slope in zip(found, slopes, strict=True)]
    return {name: each.numpy() / _DRAWS for name, each in zip(tensors, found, strict=True)}
