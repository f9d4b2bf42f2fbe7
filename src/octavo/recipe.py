"""Every decision of a quantization as a small YAML file that can be edited and read back."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from octavo.affine import Grid
from octavo.errors import OctavoError, OptionError
from octavo.files import write_text
from octavo.graph.plan import Plan

VERSION = 1


@dataclass
class Recipe:
    """The decisions: target, seed, exclusions, and the grid and estimator of each tensor by name.

    `tensors` maps an activation to `grid`, `symmetric` and `estimator`; `weights` maps a layer to
    the `grid` and `axis` of its weights by input index (axis None is one scale for the tensor).
    """

    target: str
    seed: int = 0
    exclude: list[str] = field(default_factory=list)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan, exclude: list[str], seed: int) -> Recipe:
        """Write down what a plan decided."""
        tensors = {
            name: {"grid": str(t.grid), "symmetric": t.symmetric, "estimator": t.estimator}
            for name, t in plan.tensors.items()
            if t.source == name
        }
        weights = {
            layer.name: {w.index: {"grid": str(w.grid), "axis": w.axis} for w in layer.weights}
            for layer in plan.layers.values()
            if layer.weights
        }
        return cls(plan.target.name, seed, exclude, tensors, weights)

    def apply(self, plan: Plan) -> None:
        """Put the recipe's decisions into a plan.

        Raises:
            OptionError: the recipe names a tensor or layer that the plan does not quantize.
        """
        for name, decision in self.tensors.items():
            if name not in plan.tensors:
                raise OptionError(f"the recipe names tensor '{name}', which is not quantized here; remove it")
            for tensor in (t for t in plan.tensors.values() if t.source == name):
                tensor.grid = Grid.parse(decision["grid"])
                tensor.symmetric = bool(decision["symmetric"])
                tensor.estimator = str(decision["estimator"])
        for name, by_index in self.weights.items():
            if name not in plan.layers:
                raise OptionError(f"the recipe names layer '{name}', which is not quantized here; remove it")
            for weight in plan.layers[name].weights:
                decision = by_index.get(weight.index, {})
                weight.grid = Grid.parse(decision.get("grid", str(weight.grid)))
                weight.axis = decision.get("axis", weight.axis)

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, whole or not at all.

        Raises:
            OptionError: the file cannot be written.
        """
        fields = {"octavo_recipe": VERSION, **self.__dict__}
        write_text(path, yaml.safe_dump(fields, sort_keys=False, allow_unicode=True))


def read_recipe(path: Path) -> Recipe:
    """Read a recipe that `Recipe.write` wrote, perhaps edited since.

    Raises:
        OptionError: the file cannot be read, is not YAML, or holds what a recipe does not.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"recipe {path} cannot be read ({error.strerror}); check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        line = str(error).splitlines()[0] if str(error) else "unreadable"
        raise OptionError(f"recipe {path} is not valid YAML ({line}); mend it or write it anew") from None
    if not isinstance(data, dict) or data.pop("octavo_recipe", None) != VERSION:
        raise OptionError(f"{path} is not an Octavo recipe of version {VERSION}; write one with --recipe NEW.yaml")
    try:
        recipe = Recipe(**data)
        _check(recipe)
    except (OctavoError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise OptionError(f"recipe {path} holds an unusable field: {error}") from None
    return recipe


def _check(recipe: Recipe) -> None:
    for name, decision in recipe.tensors.items():
        missing = {"grid", "symmetric", "estimator"} - set(decision)
        if missing:
            raise ValueError(f"tensor '{name}' lacks {', '.join(sorted(missing))}")
        Grid.parse(decision["grid"])
    for by_index in recipe.weights.values():
        for decision in by_index.values():
            Grid.parse(decision["grid"])
