"""The rung `train`: smaller error, note and estimated time, confirmation, and models that cannot be trained."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from onnx import numpy_helper
from tests.helpers import models
from tests.helpers.jobs import metric
from tests.helpers.states import inputs, network, output_sqnr, outputs, sqnr, state

import octavo
from octavo.measure import MetricResult
from octavo.quantizer import State
from octavo.recover import LadderCheckpoint, LadderContext, Outcome, climb, rungs_named
from octavo.recover.rungs import registry
from octavo.recover.rungs import train as train_rung
from octavo.recover.rungs.train import TRAIN, needed_by, train
from octavo.targets import target

torch = pytest.importorskip("torch")

NARROW = target("octavo").with_bits(weights=4)
HELD_OUT = inputs(32, seed=9)


@pytest.fixture(scope="module")
def plain() -> State:
    return state(network(), inputs(), NARROW)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use fewer training steps than the default for small networks."""
    monkeypatch.setattr(train_rung, "_STEPS", 300)
    monkeypatch.setattr(train_rung, "_LEAST_STEPS", 100)
    monkeypatch.setattr(train_rung, "_ROWS", 8)


def test_training_reduces_the_error_on_unseen_samples_and_has_a_note(plain: State) -> None:
    outcome = train(plain)
    assert sqnr(outcome.state, plain, HELD_OUT) > sqnr(plain, plain, HELD_OUT) + 2
    assert outcome.state.reference is plain.reference
    assert "dB on held-out samples; for '" in outcome.note
    assert outcome.details["agreement_db"][outcome.details["best"]] > outcome.details["agreement_db"][0]
    repeated = train(plain)
    assert np.array_equal(outputs(repeated.state.quantized, HELD_OUT), outputs(outcome.state.quantized, HELD_OUT))


def test_the_note_has_the_share_of_each_layer(plain: State) -> None:
    """A per-tensor grid on depthwise filters of very different ranges causes most of the error."""
    unequal = network()
    kernel = next(initializer for initializer in unequal.graph.initializer if initializer.name == "k")
    scales = np.logspace(-2, 0, 12, dtype=np.float32)[:, None, None, None]
    kernel.CopyFrom(numpy_helper.from_array(models.random(12, 1, 3, 3, seed=1) * scales, "k"))
    note = needed_by(state(unequal, inputs(), target("per-tensor")))
    assert note.startswith("'conv_d' (depthwise Conv, ")
    assert note.split("% of the error)")[0][-2:].isdigit()
    assert "(Conv, " in needed_by(plain) or "(depthwise Conv, " in needed_by(plain)


def test_a_state_that_cannot_be_trained_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    proto = models.resize()
    original = state(proto, models.feeds(proto, batch=16))
    outcome = train(original)
    assert outcome.state is original
    assert outcome.note == "operators that are not translated to PyTorch: Resize"
    assert train_rung.estimate_seconds(original) == 0.0
    monkeypatch.setattr(train_rung, "find_spec", lambda name: None)
    outcome = train(original)
    assert outcome.state is original
    assert "octavo[torch]" in outcome.note


def test_long_training_needs_permission_and_a_withheld_step_is_not_cached(plain: State, tmp_path: Path) -> None:
    rung = dataclasses.replace(TRAIN, training_limit_seconds=0.0)

    def run(allow: bool) -> tuple[Any, list[str]]:
        announced: list[str] = []

        class Watch:
            def announce(self, line: str) -> None:
                announced.append(line)

            def start(self, stage: str, total: int | None = None) -> None: ...
            def advance(self, steps: int = 1) -> None: ...
            def done(self) -> None: ...

        settings = dataclasses.replace(plain.settings, progress=Watch())
        watched = dataclasses.replace(plain, settings=settings)

        def measure(model: ir.Model) -> MetricResult:
            return metric(drop=5.0, ci95=(4.0, 6.0), sqnr_db=output_sqnr(model, plain, HELD_OUT))

        context = LadderContext(measure, allow_training=allow, training_checkpoint=tmp_path / "k" / "t")
        return climb(lambda: watched, [rung], context, LadderCheckpoint(tmp_path / "k", "key", settings)), announced

    withheld, announced = run(False)
    assert withheld.state.decisions.trained == {}
    assert withheld.steps[-1].withheld
    assert "not begun: it would take about" in withheld.steps[-1].note
    assert "`allow_training` allows it; it is for '" in withheld.steps[-1].note
    assert announced == []
    trained, announced = run(True)
    assert trained.steps[-1].kept
    assert "about" in announced[0]
    assert "it is for '" in announced[0]
    assert (tmp_path / "k" / "t").exists()
    recalled, announced = run(False)
    assert recalled.steps == trained.steps
    assert announced == []
    first, second = (ir.to_proto(climb_result.state.quantized).graph for climb_result in (trained, recalled))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_auto_runs_train_last_and_only_if_the_budget_is_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rungs_named("auto")[-1].name == "train"
    called: list[str] = []

    def counted(state: State, context: LadderContext) -> Outcome:
        called.append("train")
        return train(state, context)

    fake = dataclasses.replace(TRAIN, function=counted)
    monkeypatch.setattr(registry, "_RUNGS", (*rungs_named("search,correct"), fake))
    proto, held_out = network(), inputs(60, seed=3)
    for budget, times in ((50.0, 0), (0.0, 1)):
        evaluation = octavo.evaluation.agreement(held_out)
        result = octavo.quantize(
            proto, inputs(), "octavo", weight_bits=4, evaluate=evaluation, max_drop=budget, verify=False, threads=1
        )
        assert len(called) == times
    assert result.steps[-1].rung == "train"
    trained = {layer.output.estimator for layer in result.layers if layer.output}
    assert trained == ({"trained"} if result.steps[-1].kept else trained)


def depthwise_separable() -> Any:
    """Nine depthwise-separable blocks for digits of 8x8 pixels."""
    nn, channels = torch.nn, 12
    layers = [nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU6()]
    for width, stride in (*[(12, 1)] * 3, (16, 2), *[(16, 1)] * 5):
        layers += [nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)]
        layers += [nn.BatchNorm2d(channels), nn.ReLU6(), nn.Conv2d(channels, width, 1, bias=False)]
        layers += [nn.BatchNorm2d(width), nn.ReLU6()]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))


@pytest.mark.slow
def test_training_recovers_a_depthwise_network_at_four_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 4 bits the other rungs lose more than 3 points, of which training recovers two thirds."""
    from sklearn.datasets import load_digits

    monkeypatch.setattr(train_rung, "_STEPS", 1500)
    monkeypatch.setattr(train_rung, "_ROWS", 32)
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 1, 8, 8) / 16).astype(np.float32)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(x))
    fit, held_out = order[:900], order[900:]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    module = depthwise_separable()
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(25):
        for rows in torch.tensor(rng.permutation(fit)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(module(torch.tensor(x[rows])), torch.tensor(y[rows])).backward()
            optimizer.step()
    result = octavo.quantize(
        module,
        {"input": x[fit[:400]]},
        "octavo",
        example_inputs=(torch.tensor(x[:2]),),
        evaluate=octavo.evaluation.top1({"input": x[held_out], "labels": y[held_out]}),
        weight_bits=4,
        activation_bits=4,
        rungs="search,equalize,smooth,correct,round,train",
        allow_training=True,
        verify=False,
        threads=1,
    )
    before = next(step for step in reversed(result.steps[:-1]) if step.kept)
    after = result.steps[-1]
    assert before.drop is not None
    assert before.drop > 3
    assert after.kept
    assert after.drop is not None
    assert before.drop - after.drop >= 2 / 3 * before.drop
    with torch.no_grad():
        trained = result.module(torch.tensor(x[held_out])).numpy()
    converted = outputs(result.model, {result.model.graph.inputs[0].name or "": x[held_out]})
    assert (trained.argmax(1) == converted.argmax(1)).mean() >= 0.999
