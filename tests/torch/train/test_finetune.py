"""Distillation: held-out samples, stopping, reproducibility, and resuming from checkpoints."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from tests.helpers import models, states

from octavo.data import open_samples
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, OptionError
from octavo.graph import input_specs
from octavo.quantizer import State
from octavo.targets import target
from octavo.torch import Training, finetune, trainable
from octavo.torch.train.examples import examples

FOUR = target("octavo").with_bits(4, 4)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def state() -> State:
    return states.state(states.network(), states.inputs(64), FOUR)


def noise(state: State, network: Any) -> float:
    """Mean squared error on samples that are neither trained on nor held out."""
    unseen = states.inputs(64, seed=11)
    reference = next(iter(Session(state.reference, threads=1).run(unseen).values()))
    with torch.no_grad():
        return float(np.square(network(torch.tensor(unseen["x"])).numpy() - reference).mean())


def weights(network: Any) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


def test_training_reduces_the_error_on_unseen_samples() -> None:
    # Only weights have 4 bits: the noise of 4-bit activations cannot be trained away.
    state = states.state(states.network(), states.inputs(64), target("octavo").with_bits(weights=4))
    network = trainable(state)
    before = noise(state, network)
    training = finetune(network, states.inputs(64), epochs=40, learning_rate=3e-3, batch_size=8, threads=1)
    assert noise(state, network) < 0.6 * before
    agreement = training.agreement_db
    assert agreement[training.best] == max(agreement[20:]) > agreement[0] + 2
    assert len(agreement) == training.epochs + 1


def test_the_same_seed_gives_the_same_weights(state: State) -> None:
    runs = []
    for seed in (3, 3, 4):
        network = trainable(state)
        finetune(network, states.inputs(64), epochs=3, seed=seed, threads=1)
        runs.append(weights(network))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_a_custom_teacher_replaces_the_float_model(state: State) -> None:
    inputs = torch.tensor(states.inputs(64)["x"])
    network = trainable(state)
    floats = torch.tensor(next(iter(Session(state.reference, threads=1).run({"x": inputs.numpy()}).values())))

    def error() -> float:
        with torch.no_grad():
            return float((network(inputs) - 0.5 * floats).square().mean())

    before = error()

    def teacher(x: Any) -> Any:
        return 0.5 * torch.tensor(next(iter(Session(state.reference, threads=1).run({"x": x.numpy()}).values())))

    finetune(network, {"x": inputs.numpy()}, teacher, epochs=40, learning_rate=1e-2, batch_size=8, threads=1)
    assert error() < 0.5 * before


def test_training_stops_without_improvement(state: State) -> None:
    network = trainable(state)
    first = weights(network)
    training = finetune(network, states.inputs(64), epochs=50, learning_rate=3.0, patience=2, threads=1)
    assert (training.epochs, training.best) == (3, 0)
    assert same(weights(network), first)


def test_resuming_after_an_interruption_gives_the_same_weights(state: State, tmp_path: Path) -> None:
    uninterrupted, resumed = trainable(state), trainable(state)
    full = finetune(uninterrupted, states.inputs(64), epochs=6, threads=1)

    class StopError(Exception):
        pass

    class Watch:
        count = 0

        def announce(self, line: str) -> None: ...
        def start(self, stage: str, total: int | None = None) -> None: ...
        def done(self) -> None: ...

        def advance(self, steps: int = 1) -> None:
            self.count += 1
            if self.count == 5:
                raise StopError

    from octavo.torch.train import distillation

    before, distillation._CHECKPOINT_SECONDS = distillation._CHECKPOINT_SECONDS, 0.0
    try:
        with pytest.raises(StopError):
            finetune(resumed, states.inputs(64), epochs=6, threads=1, checkpoint=tmp_path / "c", progress=Watch())
    finally:
        distillation._CHECKPOINT_SECONDS = before
    resumed = trainable(state)
    remainder = finetune(resumed, states.inputs(64), epochs=6, threads=1, checkpoint=tmp_path / "c")
    assert remainder.agreement_db == full.agreement_db
    assert same(weights(uninterrupted), weights(resumed))
    # A training with other settings does not resume from it, and a damaged file is ignored.
    other = finetune(trainable(state), states.inputs(64), epochs=2, threads=1, checkpoint=tmp_path / "c")
    assert other.epochs == 2
    (tmp_path / "c").write_bytes(b"PK\x03\x04 not an archive")
    assert finetune(trainable(state), states.inputs(64), epochs=2, threads=1, checkpoint=tmp_path / "c").epochs == 2


SCRIPT = """
import sys
import numpy as np
from tests.helpers import states
from octavo.targets import target
from octavo.torch import finetune, trainable
from octavo.torch.train import distillation
distillation._CHECKPOINT_SECONDS = 0.0
network = trainable(states.state(states.network(), states.inputs(64), target("octavo").with_bits(4, 4)))
finetune(network, states.inputs(64), epochs=40, threads=1, checkpoint=sys.argv[1])
np.savez(sys.argv[2], **{name: tensor.numpy() for name, tensor in network.state_dict().items()})
"""


@pytest.mark.slow
def test_resuming_after_sigkill_gives_the_same_weights(tmp_path: Path) -> None:
    def start(checkpoint: str, out: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", SCRIPT, tmp_path / checkpoint, tmp_path / out]
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})

    assert start("whole", "whole.npz").wait() == 0
    killed = start("part", "part.npz")
    while not (tmp_path / "part").exists() and killed.poll() is None:
        time.sleep(0.01)
    time.sleep(0.2)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, "training ended before the kill"
    assert start("part", "part.npz").wait() == 0
    with np.load(tmp_path / "whole.npz") as expected, np.load(tmp_path / "part.npz") as actual:
        assert same(dict(expected), dict(actual))


def test_training_takes_batches_of_integers_and_variable_lengths() -> None:
    proto = models.embedding()
    batches = [models.feeds(proto, seed, batch=4) for seed in range(20)]
    state = states.state(proto, batches)
    training = finetune(trainable(state), batches, epochs=2, threads=1)
    assert isinstance(training, Training)
    assert training.epochs >= 1


def test_held_out_samples_are_not_used_for_training() -> None:
    x = np.arange(80, dtype=np.float32)[:, None, None, None] * np.ones((1, 4, 8, 8), np.float32)
    specs = input_specs(states.state(states.network(), states.inputs()).model)
    sets: list[Any] = [{"x": x}, [x[i : i + 5] for i in range(0, 80, 5)]]
    for source in sets:
        data = examples(open_samples(source, specs), 8, fixed=False, seed=0)
        held_out = {float(v) for batch in data.held_out for v in batch["x"][:, 0, 0, 0]}
        random = torch.Generator().manual_seed(0)
        trained_on = [float(v) for batch in data.epoch(random) for v in batch["x"][:, 0, 0, 0]]
        assert held_out
        assert not held_out & set(trained_on)
        assert sorted([*trained_on, *held_out]) == list(range(80))
        assert data.steps == len(list(data.epoch(random)))


def test_invalid_arguments_are_errors(state: State) -> None:
    with pytest.raises(OptionError, match="cannot train for 0 epochs; both must be positive"):
        finetune(trainable(state), states.inputs(64), epochs=0)
    with pytest.raises(OptionError, match="cannot train for 5 epochs at a learning rate of -1; both must be positive"):
        finetune(trainable(state), states.inputs(64), epochs=5, learning_rate=-1.0)
    with pytest.raises(DataError, match="1 samples are too few"):
        finetune(trainable(state), states.inputs(1))
