"""The parameters of PyTorch's observers, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from octavo.affine import INT8, UINT8, Grid, pytorch_params

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
