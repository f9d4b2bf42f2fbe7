"""The parameters of PyTorch's observers and its integers, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octavo.affine import INT8, UINT8, Grid, QuantParams, pytorch_params, pytorch_quantize

torch: Any = pytest.importorskip("torch")
observers: Any = pytest.importorskip("torch.ao.quantization.observer")

KINDS = [
    (INT8, "qint8", {}),
    (UINT8, "quint8", {}),
    (Grid("uint8", 0, 127), "quint8", {"quant_min": 0, "quant_max": 127}),
    (INT8.narrow(), "qint8", {"quant_min": -127, "quant_max": 127}),
]
RANGES = [(-1.0, 3.0), (0.5, 3.0), (-3.0, -0.5), (0.0, 0.0), (-1e-9, 1e-9), (-1e30, 1e30), (-0.3, 0.7), (2.0, 2.0)]


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(("grid", "dtype", "bounds"), KINDS)
def test_per_tensor_equals_min_max_observer(grid: Grid, dtype: str, bounds: dict[str, int], symmetric: bool) -> None:
    scheme = torch.per_tensor_symmetric if symmetric else torch.per_tensor_affine
    rng = np.random.default_rng(1)
    random = [tuple(np.sort(rng.normal(0, 10.0 ** rng.integers(-5, 5), 2))) for _ in range(200)]
    for low, high in RANGES + random:
        observer = observers.MinMaxObserver(dtype=getattr(torch, dtype), qscheme=scheme, **bounds)
        observer(torch.tensor([low, high], dtype=torch.float32))
        scale, zero_point = observer.calculate_qparams()
        p = pytorch_params(np.float32(low), np.float32(high), grid, symmetric=symmetric)
        assert float(p.scale) == scale.item()
        assert int(p.zero_point) == zero_point.item()


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_per_channel_equals_per_channel_observer(axis: int, symmetric: bool) -> None:
    scheme = torch.per_channel_symmetric if symmetric else torch.per_channel_affine
    observer = observers.PerChannelMinMaxObserver(ch_axis=axis, dtype=torch.qint8, qscheme=scheme)
    x = np.random.default_rng(2).normal(0, 2, (5, 7, 3)).astype(np.float32)
    x[0], x[:, 1] = np.abs(x[0]), 0.0
    observer(torch.from_numpy(x))
    scale, zero_point = observer.calculate_qparams()
    others = tuple(i for i in range(3) if i != axis)
    p = pytorch_params(x.min(axis=others), x.max(axis=others), INT8, symmetric=symmetric, axis=axis)
    np.testing.assert_array_equal(p.scale, scale.numpy())
    np.testing.assert_array_equal(p.zero_point, zero_point.numpy())
    assert p.axis == axis


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_integers_equal_pytorchs_where_the_largest_weight_is_half_a_step_off() -> None:
    """Symmetric scales put the largest weight at 127.5 steps, up to a rounding error."""
    x = np.random.default_rng(3).normal(0, 1, (500, 31)).astype(np.float32)
    params = pytorch_params(x.min(axis=1), x.max(axis=1), INT8, symmetric=True, axis=0)
    scale, zeros = torch.from_numpy(params.scale), torch.zeros(500, dtype=torch.int64)
    expected = torch.quantize_per_channel(torch.from_numpy(x), scale, zeros, 0, torch.qint8).int_repr().numpy()
    assert (expected == 127).any()
    assert (expected == -128).any()
    np.testing.assert_array_equal(pytorch_quantize(x, params), expected)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("zero_point", [0, 17, 255])
def test_integers_equal_pytorchs_per_tensor(zero_point: int) -> None:
    x = np.random.default_rng(4).normal(0, 10, (50, 31)).astype(np.float32)
    x[0, 0], x[0, 1] = 3e38, -3e38
    params = QuantParams(UINT8, np.float32(0.037), np.int32(zero_point))
    expected = torch.quantize_per_tensor(torch.from_numpy(x[1:]), float(params.scale), zero_point, torch.quint8)
    actual = pytorch_quantize(x, params)
    np.testing.assert_array_equal(actual[1:], expected.int_repr().numpy())
    assert (actual[0, 0], actual[0, 1]) == (255, 0)
