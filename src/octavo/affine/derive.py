"""The derivation of a scale and zero point step by step, and its effect on example values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from octavo.affine.grid import Grid
from octavo.affine.mapping import dequantize, quantize, real_range, unclipped
from octavo.affine.params import QuantParams, exact_scale, exact_zero_point, hold_zero, params_from_range


@dataclass(frozen=True)
class Step:
    """One step as text: what is computed, its formula with the numbers inserted, and the result."""

    title: str
    formula: str
    result: str


@dataclass(frozen=True)
class Row:
    """One value mapped to the grid and back.

    Attributes:
        value: the real number x.
        quotient: x / S before rounding.
        q: the integer.
        dequantized: S (q - Z) as float32.
        error: dequantized - value.
        bound: S / 2, an upper bound of |error| up to |dequantized| * 2**-24 for storing a float32; None if the
            value is clipped or NaN, for its error is unbounded.
        clipped: whether the rounded value was outside the grid and was clipped to its end.
    """

    value: float
    quotient: float
    q: int
    dequantized: float
    error: float
    bound: float | None
    clipped: bool


@dataclass(frozen=True)
class Derivation:
    """Parameters, the steps that led to them, and the values mapped with them."""

    params: QuantParams
    steps: list[Step]
    rows: list[Row]


def derive(low: float, high: float, grid: Grid, *, symmetric: bool = False, values: ArrayLike = ()) -> Derivation:
    """Derive the parameters of the range [low, high] as `params_from_range` does, showing every step.

    Args:
        low: lower end of the real range.
        high: upper end.
        grid: the integers to map to.
        symmetric: fix Z at the grid's middle.
        values: real numbers to map with the result, in any shape.

    Raises:
        OptionError: an end is NaN or infinite, or the grid cannot be symmetric.
    """
    params = params_from_range(low, high, grid, symmetric=symmetric)
    scale_steps = _scale_steps(low, high, params, symmetric)
    steps = [*scale_steps, _zero_point_step(low, high, params, symmetric), *_reach_steps(params)]
    return Derivation(params, steps, [_row(float(x), params) for x in np.ravel(np.asarray(values))])


def _scale_steps(low: float, high: float, params: QuantParams, symmetric: bool) -> list[Step]:
    grid, scale = params.grid, float(params.scale)
    alpha, beta = (float(end) for end in hold_zero(low, high))
    exact = float(exact_scale(np.asarray(alpha), np.asarray(beta), grid, symmetric=symmetric))
    if symmetric:
        formula = (
            "S = max(|low|, |high|) / (integers from the grid's middle to its nearer end)"
            f" = {_text(max(-alpha, beta))} / {min(grid.qmax - grid.middle, grid.middle - grid.qmin)}"
        )
    else:
        formula = (
            f"S = (high - low) / (qmax - qmin) = ({_text(beta)} - {_term(alpha)}) / ({grid.qmax} - {_term(grid.qmin)})"
        )
    why = "the next float32 that is not below it, so that the whole range stays covered"
    if exact == 0.0:
        why = "the range has no width, so any scale maps 0 to 0 and 1 is taken"
    elif scale > exact * 1.001:
        why = "raised to the smallest normal float32, which no machine flushes to 0"
    return [
        Step("Range given", "[low, high]", f"[{_text(low)}, {_text(high)}]"),
        Step(
            "Widened to hold 0",
            "[min(low, 0), max(high, 0)], so that 0 is mapped exactly",
            f"[{_text(alpha)}, {_text(beta)}]",
        ),
        Step("Grid", str(grid), f"qmin = {grid.qmin}, qmax = {grid.qmax}"),
        Step("Exact scale", formula, f"S = {exact:.17g}"),
        Step("Stored scale", why, f"S = {scale:.17g}"),
    ]


def _zero_point_step(low: float, high: float, params: QuantParams, symmetric: bool) -> Step:
    grid, zero_point = params.grid, int(params.zero_point)
    if symmetric:
        return Step("Zero point", "Z is fixed at the middle of the grid", f"Z = {zero_point}")
    alpha, _ = hold_zero(low, high)
    unrounded = float(exact_zero_point(alpha, params.scale, grid))
    rounded = f"rounded half to even {unrounded:.0f}"
    formula = (
        f"Z = clip(round(qmin - low / S), qmin, qmax),"
        f" qmin - low / S = {grid.qmin} - {_term(float(alpha))} / {_text(float(params.scale))}"
    )
    return Step("Zero point", formula, f"{unrounded:.9g}, {rounded}, clipped to the grid Z = {zero_point}")


def _reach_steps(params: QuantParams) -> list[Step]:
    low, high = (float(end) for end in real_range(params))
    half = float(params.scale) / 2
    return [
        Step("Range covered", "[S (qmin - Z), S (qmax - Z)]", f"[{_text(low)}, {_text(high)}]"),
        Step("Worst rounding error", "S / 2 inside the range", f"{half:.9g}"),
    ]


def _row(value: float, params: QuantParams) -> Row:
    q = quantize(value, params)
    restored = float(dequantize(q, params))
    scale = float(params.scale)
    clipped = not np.isnan(value) and float(unclipped(value, params)) != float(q)
    bounded = not clipped and not np.isnan(value)
    with np.errstate(over="ignore"):
        quotient = float(np.float64(value) / scale)
    return Row(value, quotient, int(q), restored, restored - value, scale / 2 if bounded else None, clipped)


def _text(number: float) -> str:
    return f"{float(number):.9g}"


def _term(number: float) -> str:
    """The number, in parentheses if it is negative."""
    return f"({_text(number)})" if number < 0 else _text(number)
