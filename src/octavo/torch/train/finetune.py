"""Train a quantized network to reproduce the outputs of the float model: distillation without labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from octavo.data import open_samples
from octavo.data.runner import DEFAULT_BATCH, fixed_size
from octavo.errors import OptionError
from octavo.graph import input_specs
from octavo.system.progress import Progress, Silent
from octavo.torch.train.distillation import Distillation, Teacher
from octavo.torch.train.examples import examples
from octavo.torch.train.quantized_network import QuantizedNetwork
from octavo.torch.training import Training


def finetune(
    module: QuantizedNetwork,
    loader: Any,
    teacher: Teacher | None = None,
    *,
    epochs: int = 100,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    patience: int | None = None,
    mixup: bool = True,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Training:
    """Train a network of `prepare` to match the outputs of the float model; no labels are used.

    The loss is the mean squared error of the outputs, each divided by the variance of the teacher's output; where a
    Softmax computes an output, its input is compared, unless a teacher is given. The optimizer is Adam with a
    learning rate proportional to the size of each weight, linear warm-up and cosine decay. The error on held-out
    samples is measured after each epoch; the network ends with the weights of the best epoch of the second half, or
    with its initial weights if that epoch is clearly worse.

    Args:
        module: network that `octavo.torch.prepare` returned; trained in place.
        loader: samples as `octavo.quantize` takes them (a DataLoader, arrays, a path); one eighth is held out.
        teacher: called with the inputs, returns the reference outputs; the float model by default.
        epochs: maximum number of epochs.
        learning_rate: maximum, relative to the root mean square of each weight; by default the largest of a few
            with which the first steps do not lose agreement.
        batch_size: samples per step; by default 32, or the batch size of the model or the loader.
        patience: epochs without improvement before training stops; by default all epochs are run, because the end
            of the cosine brings the most.
        mixup: train on random mixtures of two samples (Zhang et al. 2018), for which the teacher computes the
            outputs, so that few samples suffice; only if all inputs are float.
        checkpoint: file for the training state; training resumes from it if it exists.
        seed: seed of the held-out selection, the sample order, and the mixtures.
        threads: PyTorch threads; PyTorch's setting by default. With one thread, equal seeds give equal weights.
        progress: receives progress reports.

    Raises:
        DataError: the samples do not fit the model, or are too few.
        OptionError: an option has an invalid value.
        DependencyError: PyTorch is not installed.
    """
    if epochs < 1 or (learning_rate is not None and not learning_rate > 0):
        rate = "" if learning_rate is None else f" at a learning rate of {learning_rate:g}"
        raise OptionError(f"cannot train for {epochs} epochs{rate}; both must be positive")
    with _threads(threads):
        work = _distillation(module, loader, teacher, learning_rate, epochs, batch_size, mixup, seed)
        file = None if checkpoint is None else Path(checkpoint)
        return work.train(patience or epochs, file, progress or Silent())


def epoch_seconds(
    module: QuantizedNetwork, loader: Any, batch_size: int, seed: int = 0, threads: int | None = None
) -> float:
    """Estimate the time of one epoch of `finetune` on this machine, without changing the weights.

    Raises:
        DataError: the samples do not fit the model, or are too few.
    """
    with _threads(threads):
        return _distillation(module, loader, None, None, 1, batch_size, True, seed).epoch_seconds()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Set the number of PyTorch threads temporarily."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _distillation(
    module: QuantizedNetwork,
    loader: Any,
    teacher: Teacher | None,
    learning_rate: float | None,
    epochs: int,
    batch_size: int | None,
    mixup: bool,
    seed: int,
) -> Distillation:
    specs = input_specs(module.quantization.model)
    fixed = fixed_size(specs)
    samples, size = open_samples(loader, specs), fixed or batch_size or DEFAULT_BATCH
    data = examples(samples, size, fixed=fixed is not None, seed=seed)
    return Distillation(module, data, teacher, learning_rate, epochs, mixup=mixup, seed=seed)
