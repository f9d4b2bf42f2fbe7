"""One training of a quantized network: its optimizer, its loss, and its course."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from itertools import chain, count, islice
from pathlib import Path
from time import perf_counter
from typing import Any

import onnx_ir as ir
import torch
from torch import Tensor

from octavo.graph.operators import in_front_of_softmax
from octavo.system.progress import Progress
from octavo.torch.checkpoint import read_checkpoint, write_checkpoint
from octavo.torch.examples import Examples, Tensors
from octavo.torch.finetune import Training
from octavo.torch.learnable import LearnableGrid
from octavo.torch.network import Network, QuantizedNetwork

# Relative steps of weights that are all 0 would be none.
_SMALLEST = 1e-3
_BETWEEN_WRITES = 5.0
# Adam's first steps know little of the gradient.
_WARM_UP = 0.05
# Rates that are tried for some steps, the largest first: a part of all steps within bounds.
_RATES = (4e-3, 2e-3, 1e-3, 5e-4)
_PROBED, _LEAST_PROBE, _MOST_PROBE = 20, 10, 100
_LOST = 1.0


class Distillation:
    """A network with its teacher.

    Args:
        network: trained in place.
        data: to train on, and held out.
        teacher: gives the outputs for the inputs; the float model behind the network by default.
        learning_rate: relative to each weight's root mean square; None seeks it.
        epochs: at most.
        mixup: train on mixtures of two samples.
        seed: of order and mixtures.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        data: Examples,
        teacher: Callable[..., Any] | None,
        learning_rate: float | None,
        epochs: int,
        *,
        mixup: bool,
        seed: int,
    ) -> None:
        self._network, self._data, self._epochs = network, data, epochs
        self._mixup = mixup and all(each.is_floating_point() for each in data.held_out[0].values())
        self._pair = _Compared(network, teacher)
        self._learning_rate, self._seed = learning_rate, seed
        self._random = torch.Generator().manual_seed(seed)
        self._wanted = [self._pair.right(batch) for batch in data.held_out]
        self._sizes = [_size(list(outputs)) for outputs in zip(*self._wanted, strict=True)]
        self._key = _digest(network, data, (learning_rate, epochs, mixup, seed))
        self._agreement = [self._held_out()]
        # Rungs may have fitted the beginning to the samples that are held out here, and early epochs are near to it:
        # the best is one of the second half, unless that is clearly worse than the beginning.
        self._first_state = _copied(network)
        self._best, self._best_state = 0, self._first_state
        self._seconds = 0.0

    def train(self, patience: int, checkpoint: Path | None, progress: Progress) -> Training:
        """All epochs, or until `patience` of them were no better; from the checkpoint on where there is one."""
        found = None if checkpoint is None else read_checkpoint(checkpoint, self._key)
        rate = self._learning_rate or (_RATES[0] if found is not None else self._sought())
        self._optimizer = torch.optim.Adam(_groups(self._network, rate))
        self._rate = torch.optim.lr_scheduler.LambdaLR(self._optimizer, _Course(self._epochs * self._data.steps))
        if found is not None:
            self._go_on(found)
        progress.start("train", self._epochs)
        progress.advance(self._done)
        written = perf_counter()
        while self._done < self._epochs and self._done - self._best_trained < patience:
            self._epoch()
            progress.advance()
            if checkpoint is not None and perf_counter() - written > _BETWEEN_WRITES:
                self._write(checkpoint)
                written = perf_counter()
        progress.done()
        if checkpoint is not None:
            self._write(checkpoint)
        if self._agreement[self._best] < self._agreement[0] - _LOST:
            self._best, self._best_state = 0, self._first_state
        self._network.load_state_dict(self._best_state)
        return Training(self._done, self._best, self._agreement, self._seconds)

    def epoch_seconds(self) -> float:
        """How long an epoch takes, from the quickest of three steps; nothing is learnt by them."""
        batches = [batch for batch, _ in zip(self._data.epoch(self._random), range(3), strict=False)]
        return self._data.steps * min(self._timed(batch) for batch in batches)

    @property
    def _done(self) -> int:
        return len(self._agreement) - 1

    @property
    def _best_trained(self) -> int:
        """The best epoch so far; the beginning, which rungs may have fitted to the same samples, is none."""
        return max(range(1, len(self._agreement)), key=self._agreement.__getitem__, default=0)

    def _timed(self, batch: Tensors) -> float:
        began = perf_counter()
        self._loss(batch, self._pair.right(batch)).backward()  # type: ignore[no-untyped-call]
        self._network.zero_grad()
        return perf_counter() - began

    def _epoch(self) -> None:
        began = perf_counter()
        for batch in self._data.epoch(self._random):
            self._learn(batch, self._optimizer, self._random)
            self._rate.step()
        self._agreement.append(self._held_out())
        first_late = 2 * self._best < self._epochs <= 2 * self._done
        if not self._best or first_late or self._agreement[-1] > self._agreement[self._best]:
            self._best, self._best_state = self._done, _copied(self._network)
        self._seconds += perf_counter() - began

    def _learn(self, batch: Tensors, optimizer: torch.optim.Optimizer, random: torch.Generator) -> None:
        """One step."""
        given = _mixed(batch, random) if self._mixup else batch
        loss = self._loss(given, self._pair.right(given))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _sought(self) -> float:
        """The largest rate with which some steps do not lose more than a decibel of what there is."""
        steps = min(max(self._epochs * self._data.steps // _PROBED, _LEAST_PROBE), _MOST_PROBE)
        for rate in _RATES[:-1]:
            random = torch.Generator().manual_seed(self._seed)
            optimizer = torch.optim.Adam(_groups(self._network, rate))
            for batch in islice(chain.from_iterable(self._data.epoch(random) for _ in count()), steps):
                self._learn(batch, optimizer, random)
            found = self._held_out()
            self._network.load_state_dict(self._first_state)
            if found > self._agreement[0] - _LOST:
                return rate
        return _RATES[-1]

    def _loss(self, batch: Tensors, wanted: list[Tensor]) -> Tensor:
        ours = self._pair.ours(batch)
        errors = [
            (found - right).square().mean() / size for found, right, size in zip(ours, wanted, self._sizes, strict=True)
        ]
        return torch.stack(errors).mean()

    def _held_out(self) -> float:
        """Decibels, on the samples that are not trained on."""
        batches, total = self._data.held_out, 0.0
        with torch.no_grad():
            for batch, wanted in zip(batches, self._wanted, strict=True):
                total += float(self._loss(batch, wanted)) * len(next(iter(batch.values())))
        mean = total / sum(len(next(iter(batch.values()))) for batch in batches)
        return -10.0 * math.log10(mean) if mean > 0 else math.inf

    def _write(self, path: Path) -> None:
        course = {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rate": self._rate.state_dict(),
            "random": self._random.get_state(),
            "agreement": self._agreement,
            "best": self._best,
            "best_state": self._best_state,
            "seconds": self._seconds,
        }
        write_checkpoint(path, self._key, course)

    def _go_on(self, found: dict[str, Any]) -> None:
        self._network.load_state_dict(found["network"])
        self._optimizer.load_state_dict(found["optimizer"])
        self._rate.load_state_dict(found["rate"])
        self._random.set_state(found["random"])
        self._agreement, self._best = found["agreement"], found["best"]
        self._best_state, self._seconds = found["best_state"], found["seconds"]


class _Course:
    """The learning rate over the steps, as a part of the first: up in a line, then down along a cosine."""

    def __init__(self, steps: int) -> None:
        self._steps, self._rise = steps, max(round(_WARM_UP * steps), 1)

    def __call__(self, step: int) -> float:
        if step < self._rise:
            return (step + 1) / self._rise
        return 0.5 + 0.5 * math.cos(math.pi * (step - self._rise) / max(self._steps - self._rise, 1))


class _Compared:
    """The outputs of a network beside those of its teacher; where a Softmax writes one, what it reads."""

    def __init__(self, network: QuantizedNetwork, teacher: Callable[..., Any] | None) -> None:
        self._network, self._teacher = network, teacher
        found = network.quantization
        own = teacher is None
        self._names = [_tap(value, own) for value in found.quantized.graph.outputs]
        self._floats = Network(found.reference) if own else None
        self._taps = [_tap(value, own) for value in found.reference.graph.outputs]

    def ours(self, batch: Tensors) -> list[Tensor]:
        """What the network says."""
        found = self._network.run(batch)
        return [found[name] for name in self._names]

    def right(self, batch: Tensors) -> list[Tensor]:
        """What the teacher says."""
        with torch.no_grad():
            if self._floats is not None:
                found = self._floats.run(batch)
                return [found[name] for name in self._taps]
            assert self._teacher is not None
            given = self._teacher(*[batch[name] for name in self._network.input_names])
            return list(given) if isinstance(given, tuple | list) else [given]


def _tap(value: ir.Value, inside: bool) -> str:
    return (in_front_of_softmax(value) if inside else value).name or ""


def _groups(network: QuantizedNetwork, rate: float) -> list[dict[str, Any]]:
    """A step of Adam is about its rate whatever the gradient: in proportion to a weight it suits all alike."""
    grids = {id(each) for part in network.modules() if isinstance(part, LearnableGrid) for each in part.parameters()}
    return [
        {"params": [each], "lr": rate * (1.0 if id(each) in grids else _rms(each))} for each in network.parameters()
    ]


def _rms(parameter: Tensor) -> float:
    return float(parameter.detach().square().mean().sqrt()) or _SMALLEST


def _size(outputs: list[Tensor]) -> float:
    """The variance of all numbers; their mean square where they are all the same."""
    numbers = torch.cat([each.reshape(-1) for each in outputs]).double()
    return float(numbers.var(correction=0)) or float(numbers.square().mean()) or 1.0


def _mixed(batch: Tensors, random: torch.Generator) -> Tensors:
    """Each sample with some part of another in its place."""
    size = len(next(iter(batch.values())))
    partner, part = torch.randperm(size, generator=random), torch.rand(size, generator=random)
    return {name: _between(each, each[partner], part) for name, each in batch.items()}


def _between(one: Tensor, other: Tensor, part: Tensor) -> Tensor:
    return torch.lerp(one, other, part.reshape([-1] + [1] * (one.ndim - 1)))


def _copied(network: QuantizedNetwork) -> dict[str, Tensor]:
    return {name: each.detach().clone() for name, each in network.state_dict().items()}


def _digest(network: QuantizedNetwork, data: Examples, settings: tuple[Any, ...]) -> str:
    """Of where the training begins, what it is held against, and its settings."""
    digest = hashlib.sha256(repr((settings, data.steps)).encode())
    parts = [network.state_dict(), *data.held_out]
    for name, each in (item for part in parts for item in part.items()):
        digest.update(f"{name}:{tuple(each.shape)};".encode())
        digest.update(each.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
