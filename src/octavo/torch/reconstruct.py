"""Learn how weights are rounded so that what a block of nodes makes of them errs least.

Each weight between two neighbours on its grid has a number V that a rectified sigmoid turns into the part of
the way up, as in AdaRound (Nagel et al. 2020, equations 21 to 25); the error is that of a whole block's
output, as in BRECQ (Li et al. 2021); and at random half of the activations pass unquantized, as in QDrop
(Wei et al. 2022), so that weights do not lean on one pattern of rounded inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.torch.operators import OPERATORS, Operator, Tensor
from octavo.torch.translate import evaluate, pytorch

Arrays = Mapping[str, NDArray[Any]]

# The stretch of the sigmoid, so that it comes to 0 and to 1 (AdaRound, section 4.2).
_GAMMA, _ZETA = -0.1, 1.1
_WARM_UP = 0.2
_BETA = (20.0, 2.0)
_LEARNING_RATE = 1e-2
_PENALTY = 1.0
_DROPPED = 0.5
# A cell's edge itself would round to the neighbour.
_INSIDE = 0.4999


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
class Batch:
    """Samples as a block of the integer model meets them.

    Attributes:
        inputs: what the block's nodes read, as they are in the integer model.
        entry: the float model's tensor in place of the one named in `Task.entry`.
        wanted: what the exits are in the float model.
        size: how many samples; arrays of another leading length are no samples and go in whole.
    """

    inputs: Arrays
    entry: NDArray[np.float32]
    wanted: Arrays
    size: int


@dataclass(frozen=True)
class Task:
    """A block to be fitted.

    Attributes:
        nodes: of the integer model, in order.
        entry: the tensor that carries what flows into the block.
        exits: names of the block's outputs in the integer model, by their names in `Batch.wanted`.
        weights: what may be rounded another way.
        biases: by the tensors that the nodes read, (channels,).
        steps: of the optimizer.
        rows: samples a step.
        seed: of what is drawn.
    """

    nodes: Sequence[ir.Node]
    entry: str
    exits: Mapping[str, str]
    weights: Sequence[Rounded]
    biases: Arrays
    steps: int
    rows: int
    seed: int


def reconstruct(task: Task, batches: Sequence[Batch]) -> tuple[list[NDArray[Any]], dict[str, NDArray[np.float32]]]:
    """The integers of each weight, and the biases.

    Raises:
        DependencyError: PyTorch is not installed.
    """
    torch = pytorch()
    random = torch.Generator().manual_seed(task.seed)
    ways = [_start(torch, weight) for weight in task.weights]
    biases = {name: torch.tensor(array) for name, array in task.biases.items()}
    units = {name: bias.abs().mean() + bias.std(correction=0) for name, bias in biases.items()}
    shifts = {name: torch.zeros_like(bias, requires_grad=True) for name, bias in biases.items()}
    optimizer = torch.optim.Adam([*(way for _, way in ways), *shifts.values()], lr=_LEARNING_RATE)
    instead = {"QuantizeLinear": _dropping(random)}
    size = None
    for step, batch in enumerate(_drawn(torch, task, batches, random)):
        given = {weight.tensor: _soft(torch, weight, *way) for weight, way in zip(task.weights, ways, strict=True)}
        given |= {name: bias + shifts[name] * units[name] for name, bias in biases.items()}
        error = _error(task, evaluate(task.nodes, given | batch.inputs, instead), batch)
        size = error.detach() if size is None else size
        loss = error / size.clamp(min=torch.finfo(size.dtype).tiny) + _PENALTY * _undecided(ways, step / task.steps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found = [
            (base + (way >= 0)).clamp(weight.qmin, weight.qmax).numpy()
            for weight, (base, way) in zip(task.weights, ways, strict=True)
        ]
        return found, {name: (bias + shifts[name] * units[name]).numpy() for name, bias in biases.items()}


def block_error(task: Task, batches: Sequence[Batch], weights: Sequence[NDArray[Any]], biases: Arrays) -> float:
    """Mean squared error of the block's outputs with these integers and biases."""
    torch = pytorch()
    total = 0.0
    with torch.no_grad():
        given = {
            w.tensor: torch.tensor((q * w.scale).astype(np.float32)) for w, q in zip(task.weights, weights, strict=True)
        }
        given |= {name: torch.tensor(array) for name, array in biases.items()}
        for batch in batches:
            tensors = _Drawn(*({k: torch.tensor(v) for k, v in part.items()} for part in (batch.inputs, batch.wanted)))
            total += float(_error(task, evaluate(task.nodes, given | tensors.inputs), tensors)) * batch.size
    return total / sum(batch.size for batch in batches)


@dataclass(frozen=True)
class _Drawn:
    inputs: dict[str, Tensor]
    wanted: dict[str, Tensor]


def _start(torch: Any, weight: Rounded) -> tuple[Tensor, Tensor]:
    """The lower neighbour, and V such that the soft weight is the real one, or as near as its cell lets it be."""
    q = weight.integers.astype(np.float64)
    inside = np.clip(weight.real, q - _INSIDE, q + _INSIDE)
    base = np.clip(np.floor(inside), weight.qmin, weight.qmax - 1)
    part = torch.tensor(np.clip(inside - base, 0.0, 1.0).astype(np.float32))
    way = -torch.log((_ZETA - _GAMMA) / (part - _GAMMA) - 1.0)
    return torch.tensor(base.astype(np.float32)), way.requires_grad_()


def _part(torch: Any, way: Tensor) -> Tensor:
    return torch.clamp(torch.sigmoid(way) * (_ZETA - _GAMMA) + _GAMMA, 0.0, 1.0)


def _soft(torch: Any, weight: Rounded, base: Tensor, way: Tensor) -> Tensor:
    return (base + _part(torch, way)) * torch.tensor(weight.scale)


def _undecided(ways: Sequence[tuple[Tensor, Tensor]], done: float) -> Tensor:
    """Mean of 1 - |2h - 1|^beta, beta falling as the work goes on; 0 at first."""
    torch = pytorch()
    if done < _WARM_UP:
        return torch.zeros(())
    along = (done - _WARM_UP) / (1.0 - _WARM_UP)
    beta = _BETA[1] + (_BETA[0] - _BETA[1]) * (1.0 - along)
    count = sum(way.numel() for _, way in ways)
    return sum((1.0 - (2.0 * _part(torch, way) - 1.0).abs().pow(beta)).sum() for _, way in ways) / count


def _error(task: Task, found: Mapping[str, Tensor], batch: _Drawn) -> Tensor:
    return sum((found[task.exits[name]] - wanted).square().mean() for name, wanted in batch.wanted.items())


def _dropping(random: Any) -> Operator:
    """Quantization that leaves each number as it is as often as not."""

    def quantize(torch: Any, node: ir.Node, inputs: list[Tensor]) -> Tensor:
        q = OPERATORS["QuantizeLinear"](torch, node, inputs)
        x, scale, zero_point = inputs
        real = x / scale + zero_point.to(x.dtype)
        return torch.where(torch.rand(x.shape, generator=random) < _DROPPED, real, q)

    return quantize


def _drawn(torch: Any, task: Task, batches: Sequence[Batch], random: Any) -> Iterator[_Drawn]:
    """For each step some samples of a batch, half of what enters as in the float model."""
    sizes = torch.tensor([float(batch.size) for batch in batches])
    for _ in range(task.steps):
        batch = batches[int(torch.multinomial(sizes, 1, generator=random))]
        rows = torch.randperm(batch.size, generator=random)[: task.rows].numpy()
        inputs, wanted = (
            {name: torch.tensor(a[rows] if a.ndim and len(a) == batch.size else a) for name, a in part.items()}
            for part in (batch.inputs, batch.wanted)
        )
        if task.entry in inputs:
            ours, right = inputs[task.entry], torch.tensor(batch.entry[rows])
            inputs[task.entry] = torch.where(torch.rand(ours.shape, generator=random) < _DROPPED, right, ours)
        yield _Drawn(inputs, wanted)
