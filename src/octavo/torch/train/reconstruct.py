"""Learn the rounding of weights that minimizes the output error of a block of layers.

A rectified sigmoid turns a variable V per weight into its position between the two neighboring grid points, as in
AdaRound (Nagel et al. 2020, equations 21 to 25). The error is that of the output of a whole block, as in BRECQ
(Li et al. 2021), with the inputs that the block has in the quantized model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from octavo.torch.block import Batch, Rounded, Task
from octavo.torch.run.evaluate import constants, evaluate

# Stretch of the sigmoid, so that it reaches 0 and 1 (AdaRound, section 4.2).
_GAMMA, _ZETA = -0.1, 1.1
# Fraction of the steps without the rounding penalty.
_WARM_UP = 0.2
# Exponent of the rounding penalty after the warm-up and at the end.
_BETA = (20.0, 2.0)
_LEARNING_RATE = 3e-2
# So large that, as beta falls, weights settle one after another, those nearest to an integer first.
_PENALTY = 1e6
# A weight starts between its integer and the real weight, so that it can change its rounding but need not: fraction
# of the distance, largest distance, and smallest distance from both grid points.
_START_FRACTION, _START_LIMIT, _START_MARGIN = 0.5, 0.25, 0.05
_TINY = float(np.finfo(np.float32).tiny)


def learn_rounding(
    task: Task, batches: Sequence[Batch], biases: Mapping[str, NDArray[np.float32]]
) -> list[NDArray[Any]]:
    """Learn the integers of each weight in the task, each at most one step from its current value.

    Args:
        task: block to optimize.
        batches: its inputs and reference outputs.
        biases: fixed biases, by tensor.

    Returns:
        Integers as float32, one array per weight in `task.weights`.
    """
    random = torch.Generator().manual_seed(task.seed)
    variables = [_initial(weight) for weight in task.weights]
    optimizer = torch.optim.Adam([v for _, v in variables], lr=_LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.steps)
    before = block_error(task, batches, [weight.integers for weight in task.weights], biases)
    fixed = constants(task.nodes) | {name: torch.tensor(bias) for name, bias in biases.items()}
    for step, batch in enumerate(_selections(task, batches, random)):
        soft = {
            weight.tensor: _soft_weight(weight, base, v)
            for weight, (base, v) in zip(task.weights, variables, strict=True)
        }
        error = _error(task, evaluate(task.nodes, batch.inputs | fixed | soft), batch)
        loss = error / max(before, _TINY) + _PENALTY * _rounding_penalty([v for _, v in variables], step / task.steps)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return [(base + (v >= 0)).numpy() for base, v in variables]


def block_error(
    task: Task,
    batches: Sequence[Batch],
    weights: Sequence[NDArray[Any]],
    biases: Mapping[str, NDArray[np.float32]],
) -> float:
    """Mean squared error of the block's outputs with the given integers and biases."""
    total = 0.0
    for batch, values in _runs(task, batches, weights, biases):
        total += float(_error(task, values, batch)) * batch.size
    return total / sum(batch.size for batch in batches)


def corrected_biases(
    task: Task, batches: Sequence[Batch], weights: Sequence[NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Correct the biases in order, so that the mean error of every channel is 0 given the corrections before it.

    Returns:
        Biases by tensor.
    """
    biases = {bias.tensor: bias.value for bias in task.biases}
    places = {value.name: place for place, node in enumerate(task.nodes) for value in node.outputs}
    for bias in task.biases:
        shift, count = np.zeros(bias.value.shape), 0
        until = replace(task, nodes=task.nodes[: places[bias.output] + 1])
        for batch, values in _runs(until, batches, weights, biases):
            error = (batch.references[bias.reference] - values[bias.output]).double()
            shift += error.mean(dim=[axis for axis in range(error.ndim) if axis != 1]).numpy() * batch.size
            count += batch.size
        biases[bias.tensor] = (bias.value + shift / count).astype(np.float32)
    return biases


@dataclass(frozen=True)
class _Selection:
    """Some samples of a batch, as tensors."""

    inputs: dict[str, Tensor]
    references: dict[str, Tensor]
    weight: dict[str, Tensor]
    size: int


def _runs(
    task: Task,
    batches: Sequence[Batch],
    weights: Sequence[NDArray[Any]],
    biases: Mapping[str, NDArray[np.float32]],
) -> Iterator[tuple[_Selection, Mapping[str, Tensor]]]:
    """Run every sample through the block, about `task.rows` at a time."""
    pairs = zip(task.weights, weights, strict=True)
    fixed = {weight.tensor: torch.tensor((q * weight.scale).astype(np.float32)) for weight, q in pairs}
    fixed |= {name: torch.tensor(bias) for name, bias in biases.items()}
    for batch in batches:
        for rows in np.array_split(np.arange(batch.size), -(-batch.size // task.rows)):
            selection = _select(batch, rows)
            with torch.no_grad():
                yield selection, evaluate(task.nodes, selection.inputs | fixed)


def _initial(weight: Rounded) -> tuple[Tensor, Tensor]:
    """Return the lower grid point, and a V that puts the weight near its integer, on the side of the real weight."""
    q = weight.integers.astype(np.float64)
    start = q + np.clip(_START_FRACTION * (weight.real - q), -_START_LIMIT, _START_LIMIT)
    base = np.clip(np.floor(start), weight.qmin, weight.qmax - 1)
    fraction = torch.tensor(np.clip(start - base, _START_MARGIN, 1.0 - _START_MARGIN).astype(np.float32))
    v = -torch.log((_ZETA - _GAMMA) / (fraction - _GAMMA) - 1.0)
    return torch.tensor(base.astype(np.float32)), v.requires_grad_()


def _rectified_sigmoid(v: Tensor) -> Tensor:
    return torch.clamp(torch.sigmoid(v) * (_ZETA - _GAMMA) + _GAMMA, 0.0, 1.0)


def _soft_weight(weight: Rounded, base: Tensor, v: Tensor) -> Tensor:
    return (base + _rectified_sigmoid(v)) * torch.tensor(weight.scale)


def _rounding_penalty(variables: Sequence[Tensor], progress: float) -> Tensor:
    """Mean of 1 - |2h - 1|^beta, with beta falling over the steps; 0 during the warm-up."""
    if progress < _WARM_UP:
        return torch.zeros(())
    along = (progress - _WARM_UP) / (1.0 - _WARM_UP)
    beta = _BETA[1] + (_BETA[0] - _BETA[1]) * (1.0 - along)
    count = sum(v.numel() for v in variables)
    total = torch.zeros(())
    for v in variables:
        total = total + (1.0 - (2.0 * _rectified_sigmoid(v) - 1.0).abs().pow(beta)).sum()
    return total / count


def _error(task: Task, values: Mapping[str, Tensor], batch: _Selection) -> Tensor:
    total = torch.zeros(())
    for reference, output in task.exits.items():
        squares = (values[output] - batch.references[reference]).square()
        total = total + (squares * batch.weight.get(reference, 1.0)).mean()
    return total


def _selections(task: Task, batches: Sequence[Batch], random: torch.Generator) -> Iterator[_Selection]:
    """Select random samples of one random batch for every step."""
    sizes = torch.tensor([float(batch.size) for batch in batches])
    for _ in range(task.steps):
        batch = batches[int(torch.multinomial(sizes, 1, generator=random))]
        yield _select(batch, torch.randperm(batch.size, generator=random)[: task.rows].numpy())


def _select(batch: Batch, rows: NDArray[np.intp]) -> _Selection:
    inputs, references, weight = (
        {name: torch.tensor(a[rows] if a.ndim and len(a) == batch.size else a) for name, a in arrays.items()}
        for arrays in (batch.inputs, batch.references, batch.weight)
    )
    return _Selection(inputs, references, weight, len(rows))
