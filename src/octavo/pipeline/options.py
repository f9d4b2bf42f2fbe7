"""Stage 1: check the options and resolve names to objects."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from octavo.data import FilePath, Preprocess
from octavo.errors import OptionError
from octavo.pipeline.recipe import Recipe, read_recipe
from octavo.recover import Rung, rungs_named
from octavo.system.progress import Progress, Silent
from octavo.targets import Target
from octavo.targets import target as find_target


@dataclass(frozen=True)
class Budget:
    """How much accuracy the model may lose, and what may be done to stay within that.

    Attributes:
        max_drop: how much the metric may drop, in its unit; rungs of the accuracy ladder run until it is met. None
            sets no limit.
        rungs: which rungs to try: "auto" (all, the default with `max_drop`), "none" (the default without), or some
            by name, in a list or separated by commas. Without `max_drop` every named rung is tried.
        allow_training: allow the last rung to train for more than a few minutes; otherwise it reports how long
            training would take.
    """

    max_drop: float | None = None
    rungs: str | Sequence[str] | None = None
    allow_training: bool = False


@dataclass(frozen=True)
class Options:
    """The checked options of a quantization, with names resolved to objects.

    Attributes:
        target: what to quantize for, with its bit widths and block size.
        exclude: node names, operator types and regular expressions to leave in float, the recipe's first.
        estimator: range estimator of every activation; None leaves the choice to the target.
        recipe: decisions to follow; None without a recipe.
        seed: seed of every random draw.
        budget: as given by the caller.
        rungs: the rungs to apply or try, lowest first.
        preprocess: how stored numbers or images become model inputs.
        limit: number of calibration samples to use; None uses all.
        batch_size: samples in a run.
        threads: threads of ONNX Runtime; None leaves the choice to it.
        checkpoint: file that keeps the state of the calibration pass; None keeps none.
        progress: receives progress events.
        verify: compare layers with the float model and time both models.
    """

    target: Target
    exclude: tuple[str, ...]
    estimator: str | None
    recipe: Recipe | None
    seed: int
    budget: Budget
    rungs: tuple[Rung, ...]
    preprocess: Preprocess | None
    limit: int | None
    batch_size: int | None
    threads: int | None
    checkpoint: Path | None
    progress: Progress
    verify: bool

    @property
    def follows_recipe(self) -> bool:
        """Whether the rungs come from the recipe: each is applied without measuring it."""
        return bool(self.rungs) and self.budget.max_drop is None and self.budget.rungs is None

    @property
    def climbs(self) -> bool:
        """Whether rungs are tried and measured."""
        return not self.follows_recipe and (bool(self.rungs) or self.budget.max_drop is not None)


def merge_budget(
    budget: Budget | None, max_drop: float | None, rungs: str | Sequence[str] | None, allow_training: bool
) -> Budget:
    """The budget, given as one object or as its fields.

    Raises:
        OptionError: both are given.
    """
    fields = Budget(max_drop, rungs, allow_training)
    if budget is not None and fields != Budget():
        raise OptionError("`budget` is given with `max_drop`, `rungs` or `allow_training`; set them in `budget`")
    return fields if budget is None else budget


def resolve_options(
    target: str | Target,
    recipe: FilePath | Recipe | None,
    budget: Budget,
    *,
    evaluated: bool,
    weight_bits: int | None,
    activation_bits: int | None,
    block_size: int | None,
    exclude: Sequence[str],
    estimator: str | None,
    seed: int,
    preprocess: Preprocess | None,
    limit: int | None,
    batch_size: int | None,
    threads: int | None,
    checkpoint: FilePath | None,
    progress: Progress | None,
    verify: bool,
) -> Options:
    """Check the options of `octavo.quantize`.

    Args:
        target: name, file or object; "auto" is the recipe's target where there is a recipe.
        recipe: file or object; its exclusions come first, and its seed replaces `seed`.
        budget: how much accuracy may be lost.
        evaluated: whether there are held-out samples.

    The other arguments are those of `octavo.quantize`.

    Raises:
        OptionError: an option has a value that cannot be used.
        TargetError: the target is unknown or does not accept a width.
    """
    decisions = _read_recipe(recipe)
    _check_budget(budget, evaluated)
    name = decisions.target if decisions is not None and target == "auto" else target
    return Options(
        target=find_target(name, weight_bits=weight_bits, activation_bits=activation_bits, block_size=block_size),
        exclude=(*(decisions.exclude if decisions else ()), *exclude),
        estimator=estimator,
        recipe=decisions,
        seed=decisions.seed if decisions else seed,
        budget=budget,
        rungs=_rungs(budget, decisions),
        preprocess=preprocess,
        limit=limit,
        batch_size=batch_size,
        threads=threads,
        checkpoint=None if checkpoint is None else Path(checkpoint),
        progress=progress or Silent(),
        verify=verify,
    )


def _check_budget(budget: Budget, evaluated: bool) -> None:
    if budget.max_drop is not None and not evaluated:
        raise OptionError("a budget needs held-out samples to be judged by; give `evaluate` with `max_drop`")
    if budget.max_drop is not None and not budget.max_drop >= 0:
        raise OptionError(f"a budget of {budget.max_drop:g} cannot be met by any model; give 0 or more")


def _read_recipe(recipe: FilePath | Recipe | None) -> Recipe | None:
    if isinstance(recipe, str | os.PathLike):
        return read_recipe(Path(recipe))
    if recipe is not None:
        recipe.check()
    return recipe


def _rungs(budget: Budget, recipe: Recipe | None) -> tuple[Rung, ...]:
    """The rungs named by the budget, else by the recipe; by default all with `max_drop` and none without."""
    names = budget.rungs
    if names is None:
        names = recipe.rungs if recipe is not None and recipe.rungs else "none" if budget.max_drop is None else "auto"
    return tuple(rungs_named(names))
