"""Fake-quantize in PyTorch: the integers of `octavo.affine` bit for bit, and the gradients of LSQ."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from octavo.affine import Grid, QuantParams, fake_quantize, params_from_range
from octavo.torch.run.rounding import round_quotient
from octavo.torch.train.fake_quantize import fake_quantize as torch_fake_quantize
from octavo.torch.train.fake_quantize import round_straight_through, round_to_step
from octavo.torch.train.learnable import LearnableGrid

GRIDS = ["uint8", "int8", "int8[-127,127]", "int8[-7,7]", "uint8[0,15]", "uint8[0,127]", "uint16", "int16"]
FLOATS = st.floats(-1e4, 1e4, width=32)
ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=4, max_side=7), elements=FLOATS)


@given(ARRAYS, FLOATS, FLOATS, st.sampled_from(GRIDS))
def test_per_tensor_it_equals_affine(x: np.ndarray, low: float, high: float, grid: str) -> None:
    params = params_from_range(min(low, high), max(low, high), Grid.parse(grid))
    module = LearnableGrid(params, symmetric=False, samples=True)
    with torch.no_grad():
        output = module(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(output, fake_quantize(x, params))


@given(
    hnp.arrays(np.float32, st.tuples(*[st.integers(1, 6)] * 3), elements=FLOATS),
    st.integers(-3, 2),
    st.sampled_from(["int8[-127,127]", "int8[-7,7]"]),
    st.sampled_from([None, 1, 2, 5]),
)
def test_per_channel_and_per_block_it_equals_affine(
    x: np.ndarray, axis: int, grid: str, block_size: int | None
) -> None:
    from octavo.affine import params_from_array

    axis = axis % 3 if block_size else axis
    params = params_from_array(x, Grid.parse(grid), symmetric=True, axis=axis, block_size=block_size)
    with torch.no_grad():
        output = LearnableGrid(params, symmetric=True, samples=False)(torch.tensor(x)).numpy()
    np.testing.assert_array_equal(output, fake_quantize(x, params))


@settings(max_examples=200)
@given(st.integers(-200, 200), st.floats(2.0**-20, 2.0**10, width=32), st.integers(-3, 3))
def test_quotients_near_ties_round_as_the_exact_quotient(step: int, scale: float, ulps: int) -> None:
    """Float32 division can land on a tie although the exact quotient does not."""
    x = np.float32((step + 0.5) * np.float64(scale))
    for _ in range(abs(ulps)):
        x = np.nextafter(x, np.float32(np.copysign(np.inf, ulps)))
    expected = np.rint(np.float64(x) / np.float64(scale))
    assert float(round_quotient(torch.tensor([x]), torch.tensor(scale))[0]) == expected


def test_float32_division_alone_would_round_ties_wrongly() -> None:
    """Plain float32 division rounds some of these the other way."""
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.01, 1.0, 200_000).astype(np.float32)
    x = ((rng.integers(-128, 128, scale.size) + 0.5) * scale.astype(np.float64)).astype(np.float32)
    exact = np.rint(x.astype(np.float64) / scale)
    assert (np.rint(x / scale) != exact).any()
    np.testing.assert_array_equal(round_quotient(torch.tensor(x), torch.tensor(scale)).numpy(), exact)


@pytest.mark.parametrize("grid", ["uint8[0,15]", "int8[-7,7]", "uint8"])
def test_gradients_equal_finite_differences_of_the_relaxed_function(grid: str) -> None:
    """With a constant rounding error the function is piecewise linear."""
    bounds = Grid.parse(grid)
    rng = np.random.default_rng(1)
    x = torch.tensor(rng.normal(scale=3.0, size=(4, 50)), dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([[0.11], [0.3], [0.05], [0.7]], dtype=torch.float64, requires_grad=True)
    zero = torch.full((4, 1), float((bounds.qmin + bounds.qmax) // 2), dtype=torch.float64, requires_grad=True)
    # Values rounded onto a bound of the grid are at a kink and have no unique slope.
    q = torch.round(x / scale) + zero
    weight = torch.tensor(rng.normal(size=(4, 50))) * ((q != bounds.qmin) & (q != bounds.qmax))
    assert ((q < bounds.qmin) | (q > bounds.qmax)).any()
    (torch_fake_quantize(x, scale, zero, bounds.qmin, bounds.qmax) * weight).sum().backward()

    error = (torch.round(x / scale) - x / scale).detach()

    def relaxed(x: np.ndarray, scale: np.ndarray, zero: np.ndarray) -> float:
        steps = np.clip(x / scale + error.numpy() + zero, bounds.qmin, bounds.qmax) - zero
        return float((steps * scale * weight.numpy()).sum())

    arrays = [tensor.detach().numpy() for tensor in (x, scale, zero)]
    for argument, tensor in enumerate((x, scale, zero)):
        for index in [(0, 0), (1, 0), (2, 0), (3, 0)]:
            values = []
            for shift in (1e-7, -1e-7):
                moved = [array.copy() for array in arrays]
                moved[argument][index] += shift
                values.append(relaxed(*moved))
            slope = (values[0] - values[1]) / 2e-7
            assert float(tensor.grad[index]) == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_biases_are_rounded_to_the_step_of_the_accumulator() -> None:
    bias = torch.tensor([0.1234, -7.7, 1e-9], requires_grad=True)
    step = torch.tensor([1e-4, 3e-3, 1e-2])
    rounded = round_to_step(bias, step)
    expected = np.rint(bias.detach().numpy().astype(np.float64) / step.numpy()) * step.numpy().astype(np.float64)
    np.testing.assert_array_equal(rounded.detach().numpy(), expected.astype(np.float32))
    rounded.sum().backward()
    assert bias.grad.tolist() == [1.0, 1.0, 1.0]


def test_a_learnable_grid_starts_at_its_parameters_and_stays_valid() -> None:
    params = params_from_range(-1.0, 3.0, Grid("uint8", 0, 15))
    module = LearnableGrid(params, symmetric=False, samples=True)
    assert (module.params().scale, module.params().zero_point) == (params.scale, params.zero_point)
    with torch.no_grad():
        module.scale.fill_(-1000.0)
        module.zero_point.fill_(50.0)
    moved: QuantParams = module.params()
    assert moved.scale > 0
    assert moved.zero_point == 15
    assert (
        LearnableGrid(params_from_range(0.0, 3.0, Grid("uint8", 0, 15)), symmetric=False, samples=True).zero_point
        is None
    )
    assert LearnableGrid(params, symmetric=True, samples=True).zero_point is None


def test_gradients_pass_straight_through_rounding() -> None:
    x = torch.tensor([0.2, 1.5, 2.5], requires_grad=True)
    round_straight_through(x).sum().backward()
    assert (round_straight_through(x).tolist(), x.grad.tolist()) == ([0.0, 2.0, 2.0], [1.0, 1.0, 1.0])
