"""Learn how weights are rounded so that what a block of nodes makes of them errs least.

Each weight between two neighbours on its grid has a number V that a rectified sigmoid turns into the part of
the way up, as in AdaRound (Nagel et al. 2020, equations 21 to 25); the error is that of a whole block's
output, as in BRECQ (Li et al. 2021), with the inputs that the block has in the integer model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.torch.operators import Tensor
from octavo.torch.translate import constants, evaluate, pytorch

Arrays = Mapping[str, NDArray[Any]]

# The stretch of the sigmoid, so that it comes to 0 and to 1 (AdaRound, section 4.2).
_GAMMA, _ZETA = -0.1, 1.1
_WARM_UP = 0.2
_BETA = (20.0, 2.0)
_LEARNING_RATE = 3e-2
# So large that with falling beta weights settle one after another, the nearest to an integer first.
_PENALTY = 1e6
# A weight begins between its integer and the real weight, so that it can be moved but need not be.
_TOWARDS, _FARTHEST, _NEAREST = 0.5, 0.25, 0.05
_TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True)
class Rounded:
    """A weight on its grid.

    Attributes:
        tensor: the dequantized tensor that the nodes read.
        real: the float weight divided by its scale.
        integers: of the same shape.
        scale: shaped to broadcast.
        qmin, qmax: the ends of the grid.
    """

    tensor: str
    real: NDArray[np.float64]
    integers: NDArray[Any]
    scale: NDArray[np.float32]
    qmin: int
    qmax: int


@dataclass(frozen=True)
class Biased:
    """A bias that takes up what rounding does to the mean of its layer's output.

    Attributes:
        layer: the node's name.
        tensor: what the nodes read.
        value: (channels,), as it is.
        output: the layer's output in the integer model, channels on axis 1.
        right: its name in `Batch.wanted`.
    """

    layer: str
    tensor: str
    value: NDArray[np.float32]
    output: str
    right: str


@dataclass(frozen=True)
class Batch:
    """Samples as a block meets them.

    Attributes:
        inputs: what the block's nodes read, as they are in the integer model.
        wanted: what the exits, and the outputs of layers with biases, are in the float model.
        weight: how much each number of an exit counts, of its shape; 1 for exits that are not there.
        size: how many samples; arrays of another leading length are no samples and go in whole.
    """

    inputs: Arrays
    wanted: Arrays
    weight: Arrays
    size: int


@dataclass(frozen=True)
class Task:
    """A block to be fitted.

    Attributes:
        nodes: of the integer model, in order.
        exits: names of the block's outputs in the integer model, by their names in `Batch.wanted`.
        weights: what may be rounded another way.
        biases: what is corrected before and after, in order.
        steps: of the optimizer.
        rows: samples a step.
        seed: of what is drawn.
    """

    nodes: Sequence[ir.Node]
    exits: Mapping[str, str]
    weights: Sequence[Rounded]
    biases: Sequence[Biased]
    steps: int
    rows: int
    seed: int


def learn_rounding(
    task: Task, batches: Sequence[Batch], biases: Mapping[str, NDArray[np.float32]]
) -> list[NDArray[Any]]:
    """The integers of each weight, at most one from those it has, with these biases.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    torch = pytorch()
    random = torch.Generator().manual_seed(task.seed)
    ways = [_start(torch, weight) for weight in task.weights]
    optimizer = torch.optim.Adam([way for _, way in ways], lr=_LEARNING_RATE)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.steps)
    before = block_error(task, batches, [weight.integers for weight in task.weights], biases)
    fixed = constants(task.nodes) | {name: torch.tensor(bias) for name, bias in biases.items()}
    for step, batch in enumerate(_drawn(torch, task, batches, random)):
        soft = {weight.tensor: _soft(torch, weight, *way) for weight, way in zip(task.weights, ways, strict=True)}
        error = _error(task, evaluate(task.nodes, batch.inputs | fixed | soft), batch)
        loss = error / max(before, _TINY) + _PENALTY * _undecided(torch, ways, step / task.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    with torch.no_grad():
        return [(base + (way >= 0)).numpy() for base, way in ways]


def block_error(
    task: Task,
    batches: Sequence[Batch],
    weights: Sequence[NDArray[Any]],
    biases: Mapping[str, NDArray[np.float32]],
) -> float:
    """Mean squared error of the block's outputs with these integers and biases."""
    total = 0.0
    for batch, found in _runs(task, batches, weights, biases):
        total += float(_error(task, found, batch)) * batch.size
    return total / sum(batch.size for batch in batches)


def corrected_biases(
    task: Task, batches: Sequence[Batch], weights: Sequence[NDArray[Any]]
) -> dict[str, NDArray[np.float32]]:
    """Biases, by tensor, with which no layer's channel is off in its mean, those before it corrected already."""
    biases = {bias.tensor: bias.value for bias in task.biases}
    ends = {value.name: place for place, node in enumerate(task.nodes) for value in node.outputs}
    for bias in task.biases:
        shift, count = np.zeros(bias.value.shape), 0
        until = replace(task, nodes=task.nodes[: ends[bias.output] + 1])
        for batch, found in _runs(until, batches, weights, biases):
            apart = (batch.wanted[bias.right] - found[bias.output]).double()
            shift += apart.mean(dim=[i for i in range(apart.ndim) if i != 1]).numpy() * batch.size
            count += batch.size
        biases[bias.tensor] = (bias.value + shift / count).astype(np.float32)
    return biases


def _runs(
    task: Task,
    batches: Sequence[Batch],
    weights: Sequence[NDArray[Any]],
    biases: Mapping[str, NDArray[np.float32]],
) -> Iterator[tuple[_Taken, Mapping[str, Tensor]]]:
    """Every sample through the block, some at a time."""
    torch = pytorch()
    pairs = zip(task.weights, weights, strict=True)
    given = {weight.tensor: torch.tensor((q * weight.scale).astype(np.float32)) for weight, q in pairs}
    given |= {name: torch.tensor(bias) for name, bias in biases.items()}
    for batch in batches:
        for rows in np.array_split(np.arange(batch.size), -(-batch.size // task.rows)):
            some = _taken(torch, batch, rows)
            with torch.no_grad():
                yield some, evaluate(task.nodes, some.inputs | given)


@dataclass(frozen=True)
class _Taken:
    inputs: dict[str, Tensor]
    wanted: dict[str, Tensor]
    weight: dict[str, Tensor]
    size: int


def _start(torch: Any, weight: Rounded) -> tuple[Tensor, Tensor]:
    """The lower neighbour, and a V that has the weight near its integer, on the side of the real weight."""
    q = weight.integers.astype(np.float64)
    aside = q + np.clip(_TOWARDS * (weight.real - q), -_FARTHEST, _FARTHEST)
    base = np.clip(np.floor(aside), weight.qmin, weight.qmax - 1)
    part = torch.tensor(np.clip(aside - base, _NEAREST, 1.0 - _NEAREST).astype(np.float32))
    way = -torch.log((_ZETA - _GAMMA) / (part - _GAMMA) - 1.0)
    return torch.tensor(base.astype(np.float32)), way.requires_grad_()


def _part(torch: Any, way: Tensor) -> Tensor:
    return torch.clamp(torch.sigmoid(way) * (_ZETA - _GAMMA) + _GAMMA, 0.0, 1.0)


def _soft(torch: Any, weight: Rounded, base: Tensor, way: Tensor) -> Tensor:
    return (base + _part(torch, way)) * torch.tensor(weight.scale)


def _undecided(torch: Any, ways: Sequence[tuple[Tensor, Tensor]], done: float) -> Tensor:
    """Mean of 1 - |2h - 1|^beta, beta falling as the work goes on; 0 at first."""
    if done < _WARM_UP:
        return torch.zeros(())
    along = (done - _WARM_UP) / (1.0 - _WARM_UP)
    beta = _BETA[1] + (_BETA[0] - _BETA[1]) * (1.0 - along)
    count = sum(way.numel() for _, way in ways)
    return sum((1.0 - (2.0 * _part(torch, way) - 1.0).abs().pow(beta)).sum() for _, way in ways) / count


def _error(task: Task, found: Mapping[str, Tensor], batch: _Taken) -> Tensor:
    return sum(
        ((found[ours] - batch.wanted[right]).square() * batch.weight.get(right, 1.0)).mean()
        for right, ours in task.exits.items()
    )


def _drawn(torch: Any, task: Task, batches: Sequence[Batch], random: Any) -> Iterator[_Taken]:
    """For each step some samples of one batch."""
    sizes = torch.tensor([float(batch.size) for batch in batches])
    for _ in range(task.steps):
        batch = batches[int(torch.multinomial(sizes, 1, generator=random))]
        yield _taken(torch, batch, torch.randperm(batch.size, generator=random)[: task.rows].numpy())


def _taken(torch: Any, batch: Batch, rows: NDArray[np.intp]) -> _Taken:
    inputs, wanted, weight = (
        {name: torch.tensor(a[rows] if a.ndim and len(a) == batch.size else a) for name, a in part.items()}
        for part in (batch.inputs, batch.wanted, batch.weight)
    )
    return _Taken(inputs, wanted, weight, len(rows))
