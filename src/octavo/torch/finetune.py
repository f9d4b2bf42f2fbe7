"""Train a quantized network to do as the float one does: distillation, without labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from octavo.data import open_samples
from octavo.data.runner import DEFAULT_BATCH, fixed_size
from octavo.errors import OptionError
from octavo.graph import input_specs
from octavo.system.progress import Progress, Silent
from octavo.torch.translate import pytorch

if TYPE_CHECKING:
    from octavo.torch.distillation import Distillation
    from octavo.torch.network import QuantizedNetwork


@dataclass(frozen=True)
class Training:
    """How a training went.

    Attributes:
        epochs: how many were run.
        best: the epoch whose weights the network has now, from 1; 0 where all were clearly worse than the beginning.
        agreement_db: on held-out samples, the teacher's variance over the mean squared error, in decibels: at first,
            then after each epoch.
        seconds: of all, those before an interruption included.
    """

    epochs: int
    best: int
    agreement_db: list[float]
    seconds: float


def finetune(
    module: QuantizedNetwork,
    loader: Any,
    teacher: Callable[..., Any] | None = None,
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
    """Train a network of `prepare` until its outputs are nearest to the float model's; no labels are read.

    The loss is the mean squared error of the outputs, each divided by the variance of the teacher's; where a
    Softmax writes an output, what it reads is compared, unless the teacher is one's own. Adam with steps in
    proportion to each weight's size, along a cosine after a short rise. After each epoch the error on held-out
    samples is taken; the network ends with the weights of the best epoch of the second half, or as it was where that
    is clearly worse.

    Args:
        module: from `octavo.torch.prepare`; trained in place.
        loader: samples as `octavo.quantize` takes them (a DataLoader, arrays, a path); an eighth is held out.
        teacher: called with the inputs, gives what the outputs should be; the float model by default.
        epochs: at most.
        learning_rate: the highest, as a part of each weight's root mean square; by default the largest of a few
            with which the first steps do not lose what there is.
        batch_size: samples a step; 32, or the model's own, or the loader's.
        patience: epochs without a better one before training stops; by default all are run, for a cosine earns
            most at its end.
        mixup: train on random mixtures of two samples (Zhang et al. 2018), to which the teacher gives the
            outputs, so that few samples do for many; where all inputs are float.
        checkpoint: a file that keeps the course of the training, from which it is resumed.
        seed: of what is held out, the order, and the mixtures.
        threads: threads of PyTorch; as it is set by default. With one, the same seed gives the same weights.
        progress: receives the course of the work.

    Raises:
        DataError: the samples do not fit the model, or are too few.
        OptionError: an option has a value that cannot be used.
        DependencyError: PyTorch is not installed.
    """
    pytorch()
    if epochs < 1 or (learning_rate is not None and not learning_rate > 0):
        rate = "" if learning_rate is None else f" at a learning rate of {learning_rate:g}"
        raise OptionError(f"{epochs} epochs{rate} train nothing; give more than 0")
    with _threads(threads):
        work = _distillation(module, loader, teacher, learning_rate, epochs, batch_size, mixup, seed)
        kept = None if checkpoint is None else Path(checkpoint)
        return work.train(patience or epochs, kept, progress or Silent())


def epoch_seconds(
    module: QuantizedNetwork, loader: Any, batch_size: int, seed: int = 0, threads: int | None = None
) -> float:
    """About how long an epoch of `finetune` takes here, from a few steps that teach nothing.

    Raises:
        DataError: the samples do not fit the model, or are too few.
    """
    with _threads(threads):
        return _distillation(module, loader, None, None, 1, batch_size, True, seed).epoch_seconds()


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """So many threads of PyTorch for a while."""
    torch = pytorch()
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _distillation(
    module: QuantizedNetwork,
    loader: Any,
    teacher: Callable[..., Any] | None,
    learning_rate: float | None,
    epochs: int,
    batch_size: int | None,
    mixup: bool,
    seed: int,
) -> Distillation:
    from octavo.torch.distillation import Distillation
    from octavo.torch.examples import examples

    specs = input_specs(module.quantization.model)
    fixed = fixed_size(specs)
    samples, size = open_samples(loader, specs), fixed or batch_size or DEFAULT_BATCH
    data = examples(samples, size, fixed=fixed is not None, seed=seed)
    return Distillation(module, data, teacher, learning_rate, epochs, mixup=mixup, seed=seed)
