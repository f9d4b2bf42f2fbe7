"""Recipes: every decision of a quantization as a small YAML file that can be edited and read back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir
import yaml

from octavo.affine import Grid
from octavo.errors import OptionError
from octavo.graph.plan import LayerPlan, Plan, TensorPlan, WeightPlan
from octavo.recover import REFINEMENTS
from octavo.system.files import write_text

VERSION = 1

# The fields of one decision, with the types of each.
_TENSOR: Mapping[str, tuple[type, ...]] = {"grid": (str,), "symmetric": (bool,), "estimator": (str,)}
_WEIGHTS: Mapping[str, tuple[type, ...]] = {"grid": (str,), "axis": (int, type(None)), "block_size": (int,)}
_OPTIONAL = {"block_size"}
_LINE_BREAKS = {"\x85", "\u2028", "\u2029"}
_TYPE_NAMES = {str: "a string", bool: "true or false", int: "an integer", type(None): "null"}


@dataclass(frozen=True)
class Recipe:
    """The decisions of a quantization; the same recipe, model and data give the same bytes.

    Attributes:
        target: the target's name.
        seed: seed of every random draw.
        exclude: node names, operator types and regular expressions to leave in float.
        tensors: for each activation, its `grid`, `symmetric` and `estimator`.
        weights: for each layer and input index of its weights, their `grid`, the channel `axis` (None for one scale
            per tensor), and the `block_size` of weights in blocks.
        rungs: rungs of the accuracy ladder to apply, without measuring them.
        refinements: refinements of plain quantization to apply before, without comparing ("equalize", "correct").
    """

    target: str
    seed: int = 0
    exclude: list[str] = field(default_factory=list)
    tensors: dict[str, dict[str, Any]] = field(default_factory=dict)
    weights: dict[str, dict[int, dict[str, Any]]] = field(default_factory=dict)
    rungs: list[str] = field(default_factory=list)
    refinements: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, plan: Plan, exclude: list[str], seed: int) -> Recipe:
        """The recipe of a plan."""
        tensors = {
            name: {"grid": str(t.grid), "symmetric": t.symmetric, "estimator": t.estimator}
            for name, t in plan.tensors.items()
            if t.source == name
        }
        weights = {
            layer.name: {w.index: _decision(w) for w in layer.weights}
            for layer in plan.layers.values()
            if layer.weights
        }
        return cls(plan.target.name, seed, exclude, tensors, weights)

    def check(self) -> None:
        """Check every field.

        Raises:
            OptionError: a field has an invalid value.
        """
        for problem in _problems(self):
            raise OptionError(f"in the recipe, {problem}")

    def apply(self, plan: Plan, model: ir.Model) -> Plan:
        """The plan with the recipe's grids and estimators; decisions about layers left in float have no effect.

        Args:
            plan: made without the recipe.
            model: the planned model.

        Raises:
            OptionError: the recipe names a tensor or layer that the model does not have, or the target does not
                accept its decision on weights.
        """
        nodes = {node.name for node in model.graph}
        values = {value.name for node in model.graph for value in (*node.inputs, *node.outputs) if value is not None}
        for name in self.tensors:
            if name not in values:
                raise OptionError(f"the recipe names tensor '{name}', which the model does not have; remove it")
        layers = dict(plan.layers)
        for name, by_index in self.weights.items():
            if name not in nodes:
                raise OptionError(f"the recipe names layer '{name}', which the model does not have; remove it")
            if name in layers and layers[name].weights:
                layers[name] = replace(layers[name], weights=_decided(layers[name], by_index))
        return replace(plan.with_tensors(self._decide), layers=layers)

    def _decide(self, tensor: TensorPlan) -> TensorPlan:
        decision = self.tensors.get(tensor.source)
        if decision is None:
            return tensor
        return replace(
            tensor,
            grid=Grid.parse(decision["grid"]),
            symmetric=decision["symmetric"],
            estimator=decision["estimator"],
        )

    def write(self, path: Path) -> None:
        """Write the recipe as YAML, atomically.

        Raises:
            OptionError: the file cannot be written.
        """
        fields = {"octavo_recipe": VERSION, **self.__dict__}
        write_text(path, yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


class _Dumper(yaml.SafeDumper):
    """Quotes Unicode line breaks as escapes; PyYAML alone folds them into spaces."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style='"' if _LINE_BREAKS & set(data) else None)


_Dumper.add_representer(str, _Dumper.represent_str)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe file.

    Raises:
        OptionError: the file cannot be read, is not YAML, or has an unknown field or an invalid value.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"recipe {path} cannot be read ({error.strerror}); check the path") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = str(error).splitlines()[0] if str(error) else "unreadable"
        raise OptionError(f"recipe {path} is not valid YAML ({line}); fix or regenerate it") from None
    if not isinstance(data, dict) or data.pop("octavo_recipe", None) != VERSION:
        raise OptionError(f"{path} is not an Octavo recipe of version {VERSION}; write one with `result.recipe.write`")
    known = [field.name for field in fields(Recipe)]
    unknown = [name for name in data if name not in known]
    if unknown:
        raise OptionError(f"recipe {path} has an unknown field '{unknown[0]}'; the fields are {', '.join(known)}")
    if "target" not in data:
        raise OptionError(f"recipe {path} has no target; add one, for example target: x86-vnni")
    recipe = Recipe(**data)
    for problem in _problems(recipe):
        raise OptionError(f"in recipe {path}, {problem}")
    return recipe


def _decision(weight: WeightPlan) -> dict[str, Any]:
    blocks = {} if weight.block_size is None else {"block_size": weight.block_size}
    return {"grid": str(weight.grid), "axis": weight.axis, **blocks}


def _decided(layer: LayerPlan, by_index: Mapping[int, Mapping[str, Any]]) -> list[WeightPlan]:
    weights = {weight.index: weight for weight in layer.weights}
    for index, decision in by_index.items():
        if index not in weights:
            raise OptionError(f"the recipe names weights {index} of layer '{layer.name}', which has none there")
        weights[index] = _apply(layer.name, weights[index], decision)
    return list(weights.values())


def _apply(layer: str, weight: WeightPlan, decision: Mapping[str, Any]) -> WeightPlan:
    grid, axis = Grid.parse(decision["grid"]), decision["axis"]
    if grid.signed != weight.grid.signed:
        raise OptionError(
            f"the recipe sets grid {grid} for weights of '{layer}', which are {weight.grid} on this target"
        )
    if axis not in (None, weight.axis):
        accepted = "null" if weight.axis is None else f"{weight.axis} or null"
        raise OptionError(f"the recipe sets axis {axis} for weights of '{layer}', which accept {accepted}")
    size = decision.get("block_size")
    if (size is None) != (weight.block_size is None) or (size is not None and size < 1):
        accepted = "no block_size" if weight.block_size is None else "a block_size of 16, 32, 64, 128 or 256"
        raise OptionError(f"the recipe sets block_size {size} for weights of '{layer}', which accept {accepted}")
    return replace(weight, grid=grid, axis=axis, block_size=size)


def _problems(recipe: Recipe) -> Iterator[str]:
    # Messages do not quote values: with YAML aliases a small file can hold a value of any length.
    if not isinstance(recipe.target, str):
        yield "the target is not a string; write for example target: x86-vnni"
    if type(recipe.seed) is not int or recipe.seed < 0:
        yield "the seed is not an integer of 0 or more"
    if not isinstance(recipe.exclude, list) or not all(isinstance(name, str) for name in recipe.exclude):
        yield "exclude is not a list of names; write for example exclude: [Softmax]"
    if not isinstance(recipe.rungs, list) or not all(isinstance(name, str) for name in recipe.rungs):
        yield "rungs is not a list of names; write for example rungs: [equalize, correct]"
    if not isinstance(recipe.refinements, list) or not all(name in REFINEMENTS for name in recipe.refinements):
        yield f"refinements is not a list of {' and '.join(REFINEMENTS)}; write for example refinements: [correct]"
    yield from _name_problems("tensors", recipe.tensors)
    for name, decision in recipe.tensors.items():
        yield from _decision_problems(f"tensor '{name}'", decision, _TENSOR)
    yield from _name_problems("weights", recipe.weights)
    for name, by_index in recipe.weights.items():
        if not isinstance(by_index, dict) or any(type(index) is not int for index in by_index):
            yield f"the weights of layer '{name}' are not a mapping by input index; write for example 1: {{...}}"
        for index, decision in by_index.items():
            yield from _decision_problems(f"weights {index} of layer '{name}'", decision, _WEIGHTS)


def _name_problems(what: str, by_name: object) -> Iterator[str]:
    if not isinstance(by_name, dict):
        yield f"{what} is not a mapping by name; write for example {what}: {{}}"
    elif not all(isinstance(name, str) for name in by_name):
        invalid = next(name for name in by_name if not isinstance(name, str))
        yield f"the name {invalid} in {what} is not a string; put it in quotes"


def _decision_problems(where: str, decision: object, kinds: Mapping[str, tuple[type, ...]]) -> Iterator[str]:
    if not isinstance(decision, dict) or not set(kinds) - _OPTIONAL <= set(decision) <= set(kinds):
        yield f"{where} must have exactly the fields {', '.join(name for name in kinds if name not in _OPTIONAL)}"
        return
    for name, allowed in kinds.items():
        if name in decision and type(decision[name]) not in allowed:
            yield f"the {name} of {where} is not {' or '.join(_TYPE_NAMES[kind] for kind in allowed)}"
    try:
        Grid.parse(decision["grid"])
    except OptionError as error:
        yield f"{where} has an invalid grid: {error}"
