"""The description of one target, read from a TOML file and validated."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from octavo.affine import Grid, RuleName, grid
from octavo.errors import OptionError, TargetError

Role = Literal["compute", "carry", "move", "float"]
_T = TypeVar("_T")

_SECTIONS = {
    "": {"title", "engines", "opset", "rule", "notes"},
    "activations": {"grid", "symmetric", "estimator", "bits"},
    "second_operand": {"grid", "symmetric"},
    "weights": {"grid", "per_channel", "axes", "bits", "only", "block_size"},
    "bias": {"grid"},
    "placement": {"behind", "float_output"},
    "operators": {"compute", "carry", "move", "float", "least_input_channels", "least_head_weights", "carry_depthwise"},
    "fusions": {"pairs"},
}
# ONNX Runtime's MatMulNBits: powers of two from 16.
_MIN_BLOCK = 16
_WEIGHT_BITS, _ACTIVATION_BITS = (4, 6, 8), (4, 8, 16)
_REQUIRED = ("weights", "bias", "placement", "operators", "fusions")
# Placeholder for activations of weight-only targets.
_NO_ACTIVATIONS = {"grid": "uint8", "symmetric": False, "estimator": "minmax"}


@dataclass(frozen=True)
class TensorRule:
    """The grid of one kind of tensor, and whether its zero point is fixed at the middle of the grid."""

    grid: Grid
    symmetric: bool


@dataclass(frozen=True)
class Target:
    """What a target accepts; every field is read from its TOML file.

    Attributes:
        compute: operators that always run in integers.
        carry: operators that are quantized when all their inputs are quantized.
        move: operators that only move data and keep the parameters of their input.
        float_operators: operators that stay in float, with the reason.
        least_input_channels: a Conv with fewer input channels stays in float, where its engines are faster.
        least_head_weights: a final Gemm or MatMul with fewer weights stays in float.
        carry_depthwise: depthwise Conv is treated as a `carry` operator.
        weight_widths, activation_widths, second_widths: the grids that `with_bits` selects from, by bits.
        weights_only: activations stay in float; only constants of `compute` operators are quantized.
        block_size: consecutive weights along the reduction axis that share a scale.
    """

    name: str
    title: str
    engines: tuple[str, ...]
    opset: int
    rule: RuleName
    notes: tuple[str, ...]
    activations: TensorRule
    estimator: str
    second_operand: TensorRule
    weights: Grid
    per_channel: bool
    weights_only: bool
    block_size: int | None
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
    weight_widths: Mapping[int, Grid]
    activation_widths: Mapping[int, TensorRule]
    second_widths: Mapping[int, TensorRule]

    def role(self, op_type: str) -> Role:
        """How this target executes an operator type; "float" where it has no integer kernel."""
        roles: tuple[Role, ...] = ("compute", "carry", "move")
        return next((role for role in roles if op_type in getattr(self, role)), "float")

    def writes_integers(self, op_type: str, fused: bool) -> bool:
        """Whether the output of the operator is always quantized; `fused`: an activation is fused into it.

        Integer kernels with a fused activation cannot write floats: engines would run the operator in float.
        """
        return self.behind and (fused or op_type not in self.float_output)

    def why_float(self, op_type: str) -> str:
        """Why operators of this type stay in float on this target."""
        return self.float_operators.get(op_type, f"{self.name} has no integer {op_type}")

    def with_bits(self, weights: int | None = None, activations: int | None = None) -> Target:
        """This target with other bit widths of weights and activations; None keeps a width.

        Args:
            weights: bits of the weights; fewer bits than the storage type narrow the bounds of the grid.
            activations: bits of the activations, of both operands of a product.

        Raises:
            TargetError: the target does not support the width; the message lists the supported ones.
        """
        changes: dict[str, Any] = {}
        if weights is not None:
            changes["weights"] = self._width("weights", weights, self.weight_widths)
        if activations is not None:
            changes["activations"] = self._width("activations", activations, self.activation_widths)
            changes["second_operand"] = self.second_widths[activations]
        return replace(self, **changes)

    def with_block_size(self, block_size: int) -> Target:
        """This target with another number of weights per scale.

        Raises:
            TargetError: the weights of the target have no blocks, or engines do not support the size.
        """
        if self.block_size is None:
            raise TargetError(f"{self.name} has no blocks of weights; use `block_size` with weight-only-int4")
        if block_size < _MIN_BLOCK or block_size & (block_size - 1):
            raise TargetError(f"engines do not support blocks of {block_size} weights; use 16, 32, 64, 128 or 256")
        return replace(self, block_size=block_size)

    def _width(self, what: str, bits: int, widths: Mapping[int, _T]) -> _T:
        if bits not in widths:
            allowed = " or ".join(map(str, sorted(widths)))
            raise TargetError(f"{self.name} takes no {what} of {bits} bits; use {allowed}")
        return widths[bits]


def read_target(path: Path) -> Target:
    """Read a target from a TOML file.

    Raises:
        TargetError: the file is missing or not TOML, or a field is unknown, missing or invalid.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TargetError(f"target file {path} cannot be read ({error.strerror}); check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TargetError(f"target file {path} is not valid TOML ({error}); fix that line") from None
    _check_names(path, data)
    try:
        return _build(path.stem, data)
    except KeyError as error:
        raise TargetError(f"target file {path} lacks the field {error}; add it") from None
    except (TypeError, ValueError, AttributeError, OptionError) as error:
        raise TargetError(f"target file {path} has an invalid value: {error}") from None


def _check_names(path: Path, data: Mapping[str, Any]) -> None:
    top = {key: value for key, value in data.items() if not isinstance(value, dict)}
    sections = {"": top, **{key: value for key, value in data.items() if isinstance(value, dict)}}
    only = bool(sections.get("weights", {}).get("only"))
    missing = [name for name in _REQUIRED + (() if only else ("activations",)) if name not in sections]
    if missing:
        raise TargetError(f"target file {path} lacks the section [{missing[0]}]; add it")
    for section, fields in sections.items():
        unknown = sorted(set(fields) - _SECTIONS.get(section, set()))
        if section not in _SECTIONS or unknown:
            what = f"field '{unknown[0]}' in [{section}]" if section in _SECTIONS else f"section [{section}]"
            raise TargetError(f"target file {path} has an unknown {what}; remove it or correct its name")


def _build(name: str, data: Mapping[str, Any]) -> Target:
    weights, operators = data["weights"], data["operators"]
    weights_only = _typed(weights.get("only", False), bool)
    activations = data.get("activations", _NO_ACTIVATIONS) if weights_only else data["activations"]
    placement = data["placement"]
    first = _tensor_rule(activations)
    second = _tensor_rule(data["second_operand"]) if "second_operand" in data else first
    weight_grid = Grid.parse(weights["grid"])
    activation_bits = _bits(activations, first.grid, _ACTIVATION_BITS)
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
        second_operand=second,
        weights=weight_grid,
        per_channel=_typed(weights["per_channel"], bool),
        weights_only=weights_only,
        block_size=_typed(weights["block_size"], int) if "block_size" in weights else None,
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
        weight_widths={bits: _of_width(weight_grid, bits) for bits in _bits(weights, weight_grid, _WEIGHT_BITS)},
        activation_widths=_rules(first, activation_bits),
        second_widths=_rules(second, activation_bits),
    )


def _bits(section: Mapping[str, Any], own: Grid, known: tuple[int, ...]) -> tuple[int, ...]:
    """The bit widths of a section; those of its grid by default."""
    if "bits" not in section:
        return (own.bits,)
    bits = tuple(_one_of(_typed(width, int), known) for width in _typed(section["bits"], list))
    if own.bits not in bits:
        raise ValueError(f"bits {list(bits)} lack {own.bits}, the width of the grid {own}")
    return bits


def _rules(own: TensorRule, bits: tuple[int, ...]) -> Mapping[int, TensorRule]:
    return {width: TensorRule(_of_width(own.grid, width, own.symmetric), own.symmetric) for width in bits}


def _of_width(own: Grid, bits: int, symmetric: bool = True) -> Grid:
    """The grid with another width: narrower bounds in the same storage type, or a wider storage type."""
    if bits < own.bits:
        bound = 2 ** (bits - own.signed) - 1
        return Grid(own.dtype, max(own.qmin, -bound if symmetric else -bound - 1), min(own.qmax, bound))
    if bits == own.bits:
        return own
    wider = grid(f"{'' if own.signed else 'u'}int{bits}")
    return wider.narrow() if own.qmin == -own.qmax else wider


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
    """The value if its type is exactly `kind` (bool is not int)."""
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not of type {kind.__name__}")
    return value


def _one_of(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(map(repr, allowed))}")
    return value
