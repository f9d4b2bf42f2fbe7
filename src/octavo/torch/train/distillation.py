"""Distillation of a quantized network: optimizer, loss, and training loop."""

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
from octavo.torch.run.network import Network
from octavo.torch.train.checkpoint import read_checkpoint, write_checkpoint
from octavo.torch.train.examples import Examples, Tensors
from octavo.torch.train.learnable import LearnableGrid
from octavo.torch.train.quantized_network import QuantizedNetwork
from octavo.torch.training import Training

# Called with the inputs of the network; returns the reference outputs.
Teacher = Callable[..., Any]

# Root mean square assumed for weights that are all 0, whose learning rate would be 0.
_SMALLEST_RMS = 1e-3
_CHECKPOINT_SECONDS = 5.0
# Fraction of the steps in which the learning rate rises: Adam's first estimates of the gradient are poor.
_WARM_UP = 0.05
# Learning rates to try, largest first, each for steps / 20 steps, within bounds.
_RATES = (4e-3, 2e-3, 1e-3, 5e-4)
_PROBE_DIVISOR, _MIN_PROBE, _MAX_PROBE = 20, 10, 100
# Loss of agreement, in dB, from which a result counts as clearly worse.
_LOST_DB = 1.0


class Distillation:
    """Training of a network with a teacher.

    Args:
        network: trained in place.
        data: training batches and held-out batches.
        teacher: returns the reference outputs for the inputs; None uses the float model of the network.
        learning_rate: relative to the root mean square of each weight; None searches for it.
        epochs: maximum number of epochs.
        mixup: train on mixtures of two samples.
        seed: seed of sample order and mixtures.
    """

    def __init__(
        self,
        network: QuantizedNetwork,
        data: Examples,
        teacher: Teacher | None,
        learning_rate: float | None,
        epochs: int,
        *,
        mixup: bool,
        seed: int,
    ) -> None:
        self._network, self._data, self._epochs = network, data, epochs
        self._mixup = mixup and all(tensor.is_floating_point() for tensor in data.held_out[0].values())
        self._outputs = _Outputs(network, teacher)
        self._learning_rate, self._seed = learning_rate, seed
        self._random = torch.Generator().manual_seed(seed)
        self._held_out_references = [self._outputs.reference(batch) for batch in data.held_out]
        self._variances = [_variance(list(outputs)) for outputs in zip(*self._held_out_references, strict=True)]
        self._key = _digest(network, data, (learning_rate, epochs, mixup, seed))
        self._agreement = [self._held_out_agreement()]
        # Rungs may have fitted the initial weights to the samples that are held out here, and early epochs are close
        # to the initial weights: the best epoch is one of the second half, unless that is clearly worse than the start.
        self._first_state = _state_copy(network)
        self._best, self._best_state = 0, self._first_state
        self._seconds = 0.0

    def train(self, patience: int, checkpoint: Path | None, progress: Progress) -> Training:
        """Train for all epochs, or until `patience` epochs bring no improvement; resume from the checkpoint if any."""
        saved = None if checkpoint is None else read_checkpoint(checkpoint, self._key)
        rate = self._learning_rate or (_RATES[0] if saved is not None else self._search_rate())
        self._optimizer = torch.optim.Adam(_parameter_groups(self._network, rate))
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer, _WarmUpCosine(self._epochs * self._data.steps)
        )
        if saved is not None:
            self._restore(saved)
        progress.start("train", self._epochs)
        progress.advance(self._done)
        written = perf_counter()
        while self._done < self._epochs and self._done - self._best_trained < patience:
            self._epoch()
            progress.advance()
            if checkpoint is not None and perf_counter() - written > _CHECKPOINT_SECONDS:
                self._write(checkpoint)
                written = perf_counter()
        progress.done()
        if checkpoint is not None:
            self._write(checkpoint)
        if self._agreement[self._best] < self._agreement[0] - _LOST_DB:
            self._best, self._best_state = 0, self._first_state
        self._network.load_state_dict(self._best_state)
        return Training(self._done, self._best, self._agreement, self._seconds)

    def epoch_seconds(self) -> float:
        """Estimate the time of an epoch from the fastest of three steps, which leave the weights unchanged."""
        batches = [batch for batch, _ in zip(self._data.epoch(self._random), range(3), strict=False)]
        return self._data.steps * min(self._step_seconds(batch) for batch in batches)

    @property
    def _done(self) -> int:
        return len(self._agreement) - 1

    @property
    def _best_trained(self) -> int:
        """Best epoch so far, without the initial weights, which rungs may have fitted to the held-out samples."""
        return max(range(1, len(self._agreement)), key=self._agreement.__getitem__, default=0)

    def _step_seconds(self, batch: Tensors) -> float:
        start = perf_counter()
        self._loss(batch, self._outputs.reference(batch)).backward()  # type: ignore[no-untyped-call]
        self._network.zero_grad()
        return perf_counter() - start

    def _epoch(self) -> None:
        start = perf_counter()
        for batch in self._data.epoch(self._random):
            self._step(batch, self._optimizer, self._random)
            self._schedule.step()
        self._agreement.append(self._held_out_agreement())
        first_late = 2 * self._best < self._epochs <= 2 * self._done
        if not self._best or first_late or self._agreement[-1] > self._agreement[self._best]:
            self._best, self._best_state = self._done, _state_copy(self._network)
        self._seconds += perf_counter() - start

    def _step(self, batch: Tensors, optimizer: torch.optim.Optimizer, random: torch.Generator) -> None:
        inputs = _mix(batch, random) if self._mixup else batch
        loss = self._loss(inputs, self._outputs.reference(inputs))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _search_rate(self) -> float:
        """Find the largest learning rate with which the first steps lose at most 1 dB of agreement."""
        steps = min(max(self._epochs * self._data.steps // _PROBE_DIVISOR, _MIN_PROBE), _MAX_PROBE)
        for rate in _RATES[:-1]:
            random = torch.Generator().manual_seed(self._seed)
            optimizer = torch.optim.Adam(_parameter_groups(self._network, rate))
            for batch in islice(chain.from_iterable(self._data.epoch(random) for _ in count()), steps):
                self._step(batch, optimizer, random)
            agreement = self._held_out_agreement()
            self._network.load_state_dict(self._first_state)
            if agreement > self._agreement[0] - _LOST_DB:
                return rate
        return _RATES[-1]

    def _loss(self, batch: Tensors, references: list[Tensor]) -> Tensor:
        """Mean over the outputs of mean squared error / variance of the teacher's output."""
        outputs = self._outputs.network(batch)
        errors = [
            (output - reference).square().mean() / variance
            for output, reference, variance in zip(outputs, references, self._variances, strict=True)
        ]
        return torch.stack(errors).mean()

    def _held_out_agreement(self) -> float:
        """Agreement with the teacher on the held-out samples, in dB."""
        batches, total = self._data.held_out, 0.0
        with torch.no_grad():
            for batch, references in zip(batches, self._held_out_references, strict=True):
                total += float(self._loss(batch, references)) * len(next(iter(batch.values())))
        mean = total / sum(len(next(iter(batch.values()))) for batch in batches)
        return -10.0 * math.log10(mean) if mean > 0 else math.inf

    def _write(self, path: Path) -> None:
        state = {
            "network": self._network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "rate": self._schedule.state_dict(),
            "random": self._random.get_state(),
            "agreement": self._agreement,
            "best": self._best,
            "best_state": self._best_state,
            "seconds": self._seconds,
        }
        write_checkpoint(path, self._key, state)

    def _restore(self, saved: dict[str, Any]) -> None:
        self._network.load_state_dict(saved["network"])
        self._optimizer.load_state_dict(saved["optimizer"])
        self._schedule.load_state_dict(saved["rate"])
        self._random.set_state(saved["random"])
        self._agreement, self._best = saved["agreement"], saved["best"]
        self._best_state, self._seconds = saved["best_state"], saved["seconds"]


class _WarmUpCosine:
    """Learning rate as a fraction of the maximum: linear warm-up, then cosine decay to 0."""

    def __init__(self, steps: int) -> None:
        self._steps, self._warm_up = steps, max(round(_WARM_UP * steps), 1)

    def __call__(self, step: int) -> float:
        if step < self._warm_up:
            return (step + 1) / self._warm_up
        return 0.5 + 0.5 * math.cos(math.pi * (step - self._warm_up) / max(self._steps - self._warm_up, 1))


class _Outputs:
    """Compared outputs of a network and its teacher; the input of the Softmax where one computes an output."""

    def __init__(self, network: QuantizedNetwork, teacher: Teacher | None) -> None:
        self._network, self._teacher = network, teacher
        quantization = network.quantization
        logits = teacher is None
        self._names = [_compared(value, logits) for value in quantization.quantized.graph.outputs]
        self._float_network = Network(quantization.reference) if teacher is None else None
        self._float_names = [_compared(value, logits) for value in quantization.reference.graph.outputs]

    def network(self, batch: Tensors) -> list[Tensor]:
        """Outputs of the network."""
        values = self._network.run(batch)
        return [values[name] for name in self._names]

    def reference(self, batch: Tensors) -> list[Tensor]:
        """Outputs of the teacher."""
        with torch.no_grad():
            if self._float_network is not None:
                values = self._float_network.run(batch)
                return [values[name] for name in self._float_names]
            assert self._teacher is not None
            outputs = self._teacher(*[batch[name] for name in self._network.input_names])
            return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def _compared(value: ir.Value, logits: bool) -> str:
    """Name of the tensor to compare for a graph output."""
    return (in_front_of_softmax(value) if logits else value).name or ""


def _parameter_groups(network: QuantizedNetwork, rate: float) -> list[dict[str, Any]]:
    """One group per parameter: an Adam step is about the learning rate, so the rate is scaled to the weight's size."""
    grids = {
        id(parameter)
        for module in network.modules()
        if isinstance(module, LearnableGrid)
        for parameter in module.parameters()
    }
    return [
        {"params": [parameter], "lr": rate * (1.0 if id(parameter) in grids else _rms(parameter))}
        for parameter in network.parameters()
    ]


def _rms(parameter: Tensor) -> float:
    return float(parameter.detach().square().mean().sqrt()) or _SMALLEST_RMS


def _variance(outputs: list[Tensor]) -> float:
    """Variance over all elements; their mean square if they are all equal."""
    elements = torch.cat([output.reshape(-1) for output in outputs]).double()
    return float(elements.var(correction=0)) or float(elements.square().mean()) or 1.0


def _mix(batch: Tensors, random: torch.Generator) -> Tensors:
    """Mix every sample with a random other one (mixup)."""
    size = len(next(iter(batch.values())))
    partner, fraction = torch.randperm(size, generator=random), torch.rand(size, generator=random)
    return {name: _interpolate(tensor, tensor[partner], fraction) for name, tensor in batch.items()}


def _interpolate(start: Tensor, end: Tensor, fraction: Tensor) -> Tensor:
    """Interpolate along axis 0 with one fraction per sample."""
    return torch.lerp(start, end, fraction.reshape([-1] + [1] * (start.ndim - 1)))


def _state_copy(network: QuantizedNetwork) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def _digest(network: QuantizedNetwork, data: Examples, settings: tuple[Any, ...]) -> str:
    """SHA-256 of the initial network, the held-out samples and the settings."""
    digest = hashlib.sha256(repr((settings, data.steps)).encode())
    dicts = [network.state_dict(), *data.held_out]
    for name, tensor in (item for tensors in dicts for item in tensors.items()):
        digest.update(f"{name}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()
