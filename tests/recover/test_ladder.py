"""The climb: where it stops, which rungs it reverts, and resuming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx_ir as ir
import pytest
from tests.helpers.jobs import metric
from tests.helpers.states import FOUR_BITS, inputs, network, state

from octavo.errors import OptionError
from octavo.measure import MetricResult
from octavo.quantizer import State, derive
from octavo.recover import (
    Climb,
    LadderCheckpoint,
    LadderContext,
    Outcome,
    Rung,
    climb,
    rungs_named,
    without_context,
)
from octavo.targets import target


@pytest.fixture(scope="module")
def plain() -> State:
    return state(network(), inputs(16))


def measured(drop: float, sqnr: float = 20.0, error: float = 0.1) -> MetricResult:
    reach = 1.959964 * error
    return metric(drop=drop, ci95=(drop - reach, drop + reach), sqnr_db=sqnr)


def nothing_kept(plain: State) -> LadderCheckpoint:
    return LadderCheckpoint(None, "", plain.settings)


def climbed(plain: State, figures: list[MetricResult], budget: float | None, costly: bool = False) -> Climb:
    """Fake rungs, each of which sets another estimator; metrics in the order of the measurements."""
    metrics: Iterator[MetricResult] = iter(figures)

    def rung(name: str, spec: str) -> Rung:
        def set_estimator(state: State) -> Outcome:
            return Outcome(derive(state.with_estimators({"x": spec})), spec)

        return Rung(name, name, without_context(set_estimator), increases_cost=costly)

    rungs = [rung("one", "minmax"), rung("two", "percentile:99"), rung("three", "percentile:98")]
    return climb(lambda: plain, rungs, LadderContext(lambda _: next(metrics), budget), nothing_kept(plain))


def test_the_climb_stops_at_the_first_rung_within_the_budget(plain: State) -> None:
    result = climbed(plain, [measured(5), measured(2), measured(0.5)], 1.0)
    assert [step.rung for step in result.steps] == ["plain", "one", "two"]
    assert result.state.decisions.estimators == {"x": "percentile:99"}


def test_a_drop_within_one_standard_error_of_the_budget_climbs_on_unless_that_costs_speed(plain: State) -> None:
    assert len(climbed(plain, [measured(0.95), *[measured(0.5)] * 3], 1.0).steps) == 2
    assert len(climbed(plain, [measured(0.95)], 1.0, costly=True).steps) == 1


def test_a_rung_without_improvement_is_reverted(plain: State) -> None:
    result = climbed(plain, [measured(2), measured(4), measured(2, sqnr=25), measured(2.05, sqnr=24)], None)
    assert [step.kept for step in result.steps] == [True, False, True, False]
    assert result.state.decisions.estimators == {"x": "percentile:99"}


def test_a_rung_that_changes_nothing_is_not_measured(plain: State) -> None:
    idle = Rung("idle", "", lambda state, context: Outcome(state, "nothing to do"))
    result = climb(lambda: plain, [idle], LadderContext(lambda _: measured(2)), nothing_kept(plain))
    assert [step.drop for step in result.steps] == [2, None]


def test_finished_rungs_are_not_repeated_and_give_the_same_bytes(tmp_path: Path) -> None:
    begun = state(network(), inputs(), target("octavo").with_bits(weights=4))
    assert begun.plan.target.weights == FOUR_BITS
    drops = [measured(9, 1), measured(8, 2), measured(7, 3), measured(6, 4), measured(5, 5)]
    rungs = rungs_named("search,equalize,correct,round")

    def run(key: str = "k", figures: list[MetricResult] = drops) -> Climb:
        metrics = iter(figures)
        checkpoint = LadderCheckpoint(tmp_path / "kept", key, begun.settings)
        return climb(lambda: begun, rungs, LadderContext(lambda _: next(metrics, None) or stop()), checkpoint)

    def stop() -> MetricResult:
        raise KeyboardInterrupt

    def content(result: Climb) -> bytes:
        return ir.to_proto(result.state.quantized).graph.SerializeToString(deterministic=True)

    first = run()
    assert first.steps[-1].kept
    repeated = run(figures=[])
    assert content(repeated) == content(first)
    assert repeated.steps == first.steps
    for length in (0, 100):
        arrays = tmp_path / "kept" / "4.npz"
        arrays.write_bytes(arrays.read_bytes()[:length])
        assert content(run(figures=[measured(5, 5)])) == content(first)
    (tmp_path / "kept" / "2.json").write_text("{", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt):
        run(figures=[])
    assert content(run("another")) == content(first)


def test_a_rung_that_fails_costs_a_rung(plain: State, tmp_path: Path) -> None:
    def fail(state: State) -> Outcome:
        raise RuntimeError("sizes\ndiffer")

    def set_estimator(state: State) -> Outcome:
        return Outcome(derive(state.with_estimators({"x": "minmax"})), "minmax")

    rungs = [Rung("bad", "bad", without_context(fail)), Rung("good", "good", without_context(set_estimator))]
    checkpoint = LadderCheckpoint(tmp_path / "kept", "key", plain.settings)

    def run(figures: list[MetricResult]) -> Climb:
        metrics = iter(figures)
        return climb(lambda: plain, rungs, LadderContext(lambda _: next(metrics)), checkpoint)

    result = run([measured(2), measured(1)])
    assert [(step.rung, step.kept, step.failed) for step in result.steps] == [
        ("plain", True, False),
        ("bad", False, True),
        ("good", True, False),
    ]
    assert result.steps[1].note == "failed and left the best result so far: RuntimeError: sizes differ"
    assert run([]).steps == result.steps


def test_errors_of_options_and_interrupts_end_the_climb(plain: State) -> None:
    for error in (OptionError("needs a budget"), KeyboardInterrupt()):

        def fail(state: State, error: BaseException = error) -> Outcome:
            raise error

        rung = Rung("bad", "bad", without_context(fail))
        with pytest.raises(type(error)):
            climb(lambda: plain, [rung], LadderContext(lambda _: measured(2)), nothing_kept(plain))


def test_a_worse_metric_within_noise_is_kept_for_a_clearly_smaller_error_only(plain: State) -> None:
    result = climbed(plain, [measured(2), measured(2.05, sqnr=20.5), measured(2.05, sqnr=21.5), measured(2.0)], None)
    assert [step.kept for step in result.steps] == [True, False, True, False]


def test_a_costly_rung_is_tried_only_if_the_whole_interval_is_beyond_the_budget(plain: State) -> None:
    assert len(climbed(plain, [measured(1.15)], 1.0, costly=True).steps) == 1
    assert len(climbed(plain, [measured(1.25), *[measured(0.5)] * 3], 1.0, costly=True).steps) == 2
