"""Options: a budget as one object or as arguments, and bit widths with the target."""

from __future__ import annotations

from typing import Any

import pytest
from tests.helpers.jobs import graph_bytes, quantized, samples

import octavo
from octavo.errors import OptionError, TargetError
from octavo.pipeline.options import Options, merge_budget, resolve_options
from octavo.pipeline.recipe import Recipe

UNSET: dict[str, Any] = dict.fromkeys(
    ("estimator", "preprocess", "limit", "batch_size", "threads", "checkpoint", "progress")
)
WIDTHS = {"weight_bits": None, "activation_bits": None, "block_size": None}


def resolved(budget: octavo.Budget | None = None, **options: Any) -> Options:
    defaults = {"target": "octavo", "recipe": None, "exclude": (), "seed": 0, "verify": True, "evaluated": True}
    return resolve_options(budget=budget or octavo.Budget(), **{**defaults, **UNSET, **WIDTHS, **options})


class TestBudget:
    def test_an_object_and_arguments_are_the_same(self) -> None:
        budget = octavo.Budget(0.5, "equalize,correct", allow_training=True)
        assert merge_budget(None, 0.5, "equalize,correct", True) == merge_budget(budget, None, None, False) == budget
        assert merge_budget(None, None, None, False) == octavo.Budget()

    @pytest.mark.parametrize(
        "arguments",
        [{"max_drop": 0.0}, {"rungs": "none"}, {"allow_training": True}],
        ids=lambda arguments: next(iter(arguments)),
    )
    def test_both_at_once_are_refused(self, arguments: dict[str, Any]) -> None:
        with pytest.raises(OptionError, match="`budget` is given with `max_drop`, `rungs` or `allow_training`"):
            quantized(budget=octavo.Budget(1.0), evaluate=samples(seed=1), **arguments)

    def test_the_ladder_runs_as_far_as_the_budget_needs(self) -> None:
        result = quantized(budget=octavo.Budget(100.0), evaluate=samples(60, seed=1))
        assert [step.rung for step in result.steps] == ["plain"]
        assert result.verdict is not None
        assert result.verdict.budget == 100.0

    @pytest.mark.parametrize(
        ("budget", "names"),
        [
            (octavo.Budget(), []),
            (octavo.Budget(rungs="none"), []),
            (octavo.Budget(rungs=["correct", "equalize"]), ["equalize", "correct"]),
            (octavo.Budget(1.0, "equalize"), ["equalize"]),
            (octavo.Budget(1.0, "none"), []),
        ],
    )
    def test_rungs_are_resolved(self, budget: octavo.Budget, names: list[str]) -> None:
        options = resolved(budget)
        assert [rung.name for rung in options.rungs] == names
        assert options.climbs == (bool(names) or budget.max_drop is not None)
        assert not options.follows_recipe

    def test_a_budget_alone_allows_all_rungs(self) -> None:
        assert [rung.name for rung in resolved(octavo.Budget(1.0)).rungs][-1] == "train"


def test_the_rungs_of_a_recipe_are_applied_without_measuring() -> None:
    recipe = Recipe("octavo", seed=7, exclude=["Softmax"], rungs=["equalize"])
    options = resolved(target="auto", recipe=recipe, exclude=["Add"], seed=3)
    assert (options.follows_recipe, options.climbs) == (True, False)
    assert (options.target.name, options.seed, options.exclude) == ("octavo", 7, ("Softmax", "Add"))
    assert not resolved(octavo.Budget(rungs="equalize"), recipe=recipe).follows_recipe


def test_widths_are_set_in_the_target_or_by_arguments() -> None:
    narrow = octavo.targets.target("octavo", weight_bits=4)
    assert (narrow.weights.qmin, narrow.weights.qmax) == (-7, 7)
    assert resolved(target=narrow).target == resolved(weight_bits=4).target == narrow
    assert graph_bytes(quantized(target=narrow)) == graph_bytes(quantized(target="octavo", weight_bits=4))  # type: ignore[arg-type]
    with pytest.raises(TargetError, match="octavo takes no weights of 5 bits"):
        octavo.targets.target("octavo", weight_bits=5)


def test_a_block_size_is_set_in_the_target() -> None:
    assert octavo.targets.target("weight-only-int4", block_size=64).block_size == 64
