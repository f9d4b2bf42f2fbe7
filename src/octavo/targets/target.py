"""What one piece of hardware and its engines accept, read from a TOML file and checked."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from octavo.affine import Grid
from octavo.errors import OptionError, TargetError

Role = Literal["compute", "carry", "move", "float"]
Rule = Literal["affine", "pytorch"]
_T = TypeVar("_T")

_SECTIONS = {
    "": {"title", "engines", "opset", "rule", "notes"},
    "activations": {"grid", "symmetric", "estimator"},
    "second_operand": {"grid", "symmetric"},
    "weights": {"grid", "per_channel", "axes"},
    "bias": {"grid"},
    "placement": {"behind", "float_output"},
    "operators": {"compute", "carry", "move", "float", "least_input_channels", "least_head_weights", "carry_depthwise"},
    "fusions": {"pairs"},
}
_REQUIRED = ("activations", "weights", "bias", "placement", "operators", "fusions")


@dataclass(frozen=True)
class TensorRule:
    """How one kind of tensor is put on a grid: the grid and whether zero_point is fixed at its middle."""

    grid: Grid
    symmetric: bool


@dataclass(frozen=True)
class Target:
    """What a target accepts; every field is read from its TOML file.

    `compute` operators are always worth an integer kernel; `carry` operators are quantized when all
    their inputs already are integers; `move` operators only move data and share their input's
    parameters; `float_operators` stay in float for the reason given beside each; a Conv of fewer than
    `least_input_channels` input channels stays in float because its engines do it faster so, and so does
    a last Gemm or MatMul of fewer than `least_head_weights` weights; with `carry_depthwise` a depthwise
    Conv is quantized as the `carry` operators are, when its input already is an integer.
    """

    name: str
    title: str
    engines: tuple[str, ...]
    opset: int
    rule: Rule
    notes: tuple[str, ...]
    activations: TensorRule
    estimator: str
    second_operand: TensorRule
    weights: Grid
    per_channel: bool
    weight_axes: tuple[int, ...] | None
    integer_bias: bool
    behind: bool
    float_output: frozenset[str]
    compute: frozenset[str]
    carry: frozenset[str]
    move: frozenset[str]
    float_operators: Mapping[str, str]
    least_input_channels: int
    least_head_weights: int
    carry_depthwise: bool
    fusions: frozenset[tuple[str, str]]

    def role(self, op_type: str) -> Role:
        """The part an operator type plays on this target; "float" when the target has no integer form."""
        roles: tuple[Role, ...] = ("compute", "carry", "move")
        return next((role for role in roles if op_type in getattr(self, role)), "float")

    def writes_integers(self, op_type: str, fused: bool) -> bool:
        """Whether the operator's result always stands on a grid; `fused`: an activation is fused behind it.

        No integer kernel writes floats through an activation: engines would multiply floats instead.
        """
        return self.behind and (fused or op_type not in self.float_output)

    def why_float(self, op_type: str) -> str:
        """Why operators of this type stay in float on this target."""
        return self.float_operators.get(op_type, f"{self.name} has no integer {op_type}")


def read_target(path: Path) -> Target:
    """Read a target from a TOML file.

    Raises:
        TargetError: the file is missing, not TOML, or a field is unknown, missing or of a wrong value.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"target file {path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"target file {path} is not valid TOML ({error}); mend that line") from None
    _check_names(path, data)
    try:
        return _build(path.stem, data)
    except KeyError as error:
        raise TargetError(f"target file {path} lacks the field {error}; add it") from None
    except (TypeError, ValueError, AttributeError, OptionError) as error:
        raise TargetError(f"target file {path} has an unusable value: {error}") from None


def _check_names(path: Path, data: Mapping[str, Any]) -> None:
    top = {key: value for key, value in data.items() if not isinstance(value, dict)}
    sections = {"": top, **{key: value for key, value in data.items() if isinstance(value, dict)}}
    missing = [name for name in _REQUIRED if name not in sections]
    if missing:
        raise TargetError(f"target file {path} lacks the section [{missing[0]}]; add it")
    for section, fields in sections.items():
        unknown = sorted(set(fields) - _SECTIONS.get(section, set()))
        if section not in _SECTIONS or unknown:
            what = f"field '{unknown[0]}' in [{section}]" if section in _SECTIONS else f"section [{section}]"
            raise TargetError(f"target file {path} has an unknown {what}; remove it or correct its name")


def _build(name: str, data: Mapping[str, Any]) -> Target:
    activations, weights, operators = data["activations"], data["weights"], data["operators"]
    placement = data["placement"]
    first = _tensor_rule(activations)
    axes = weights.get("axes")
    return Target(
        name=name,
        title=_typed(data["title"], str),
        engines=_strings(data["engines"]),
        opset=_typed(data.get("opset", 13), int),
        rule=_one_of(data.get("rule", "affine"), ("affine", "pytorch")),
        notes=_strings(data.get("notes", [])),
        activations=first,
        estimator=_typed(activations["estimator"], str),
        second_operand=_tensor_rule(data["second_operand"]) if "second_operand" in data else first,
        weights=Grid.parse(weights["grid"]),
        per_channel=_typed(weights["per_channel"], bool),
        weight_axes=None if axes is None else tuple(_typed(axis, int) for axis in _typed(axes, list)),
        integer_bias=_one_of(data["bias"]["grid"], ("int32", "float32")) == "int32",
        behind=_typed(placement["behind"], bool),
        float_output=frozenset(_strings(placement["float_output"])),
        compute=frozenset(_strings(operators["compute"])),
        carry=frozenset(_strings(operators["carry"])),
        move=frozenset(_strings(operators["move"])),
        float_operators={op: _typed(why, str) for op, why in operators.get("float", {}).items()},
        least_input_channels=_typed(operators.get("least_input_channels", 0), int),
        least_head_weights=_typed(operators.get("least_head_weights", 0), int),
        carry_depthwise=_typed(operators.get("carry_depthwise", False), bool),
        fusions=frozenset(_pair(pair) for pair in _strings(data["fusions"]["pairs"])),
    )


def _tensor_rule(section: Mapping[str, Any]) -> TensorRule:
    return TensorRule(Grid.parse(section["grid"]), _typed(section["symmetric"], bool))


def _pair(text: str) -> tuple[str, str]:
    head, plus, tail = text.partition("+")
    if not (head and plus and tail) or "+" in tail:
        raise ValueError(f"{text!r} is not a pair of operators such as 'Conv+Relu'")
    return head, tail


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(_typed(item, str) for item in _typed(value, list))


def _typed(value: Any, kind: type[_T]) -> _T:
    """The value when it is of that type; TOML's true is no number and its "false" no truth value."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, allowed))}")
    return value
