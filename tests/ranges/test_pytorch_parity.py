"""The two estimators that follow PyTorch's observers give the same scales and zero points."""

from __future__ import annotations

import numpy as np
import pytest

from octavo.affine import Grid, pytorch_params
from octavo.ranges import estimator

torch = pytest.importorskip("torch")
observers = pytest.importorskip("torch.ao.quantization.observer")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

HALF = Grid("uint8", 0, 127)
KINDS = {
    "normal": lambda r, n: r.normal(size=n),
    "shifted": lambda r, n: r.normal(size=n) + r.normal(),
    "relu": lambda r, n: np.maximum(r.normal(size=n), 0),
    "laplace": lambda r, n: r.laplace(size=n),
    "uniform": lambda r, n: r.uniform(-1, 3, n),
    "outlier": lambda r, n: np.append(r.normal(size=n), 50.0),
    "heavy": lambda r, n: r.standard_t(2, n),
    "lognormal": lambda r, n: r.lognormal(0, 1, n),
}


def batches(kind, count, size, seed=0):
    random = np.random.default_rng([seed, count, size, *kind.encode()])
    scale = 10 ** random.uniform(-3, 3)
    return [(KINDS[kind](random, size) * scale * random.uniform(0.5, 1.5)).astype(np.float32) for _ in range(count)]


def observed_by_both(name, reference, data):
    range_estimator = estimator(name)
    observer = range_estimator.observer()
    for batch in data:
        reference(torch.from_numpy(batch))
        observer.update(batch)
    scale, zero_point = reference.calculate_qparams()
    low, high = range_estimator.range(observer, HALF, False)
    params = pytorch_params(low, high, HALF)
    return observer, (float(params.scale), int(params.zero_point)), (scale.item(), zero_point.item())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("count", "size"), [(1, 20_000), (3, 7), (5, 5_000), (8, 20_000)])
def test_fbgemm_histogram_equals_pytorch(kind, count, size):
    reference = observers.HistogramObserver(reduce_range=True)
    observer, actual, expected = observed_by_both("fbgemm_histogram", reference, batches(kind, count, size))
    assert np.array_equal(observer.bins, reference.histogram.numpy())
    assert actual == expected


EDGES = {
    "constant": [[3.7, 3.7]],
    "one": [[-2.0]],
    "zeros": [[0.0, 0.0]],
    "zeros, then values": [[0.0], [1.0, 2.0, 5.0]],
    "constant, then wider": [[3.7], [3.7], [-1.0, 5.0]],
    "infinite": [[1.0, 2.0, np.inf], [-np.inf, 0.5]],
    "infinite only, then values": [[np.inf], [1.0, 3.0]],
    "empty, then values": [[], [1.0, 3.0]],
    "neighbours": [[1.0, 1.0 + 2**-23], [1.0, 2.0]],
    "far apart": [[1e4, 1e4 + 1], [-1e4, -1e4 + 1]],
    "subnormal": [[1e-40, 3e-40]],
}


@pytest.mark.parametrize("name", EDGES)
def test_fbgemm_histogram_equals_pytorch_in_edge_cases(name):
    reference = observers.HistogramObserver(reduce_range=True)
    data = [np.array(batch, np.float32) for batch in EDGES[name]]
    _, actual, expected = observed_by_both("fbgemm_histogram", reference, data)
    assert actual == expected


def test_fbgemm_histogram_keeps_a_range_too_wide_for_float32():
    range_estimator = estimator("fbgemm_histogram")
    observer = range_estimator.observer()
    observer.update(np.array([-3e38, 3e38], np.float32))
    assert range_estimator.range(observer, HALF, False) == pytest.approx((-3e38, 3e38))


def test_fbgemm_histogram_ignores_nan():
    range_estimator = estimator("fbgemm_histogram")
    without_nan, with_nan = range_estimator.observer(), range_estimator.observer()
    values = batches("normal", 1, 1000)[0]
    without_nan.update(values)
    with_nan.update(np.append(values, np.float32(np.nan)))
    assert with_nan.to_bytes() == without_nan.to_bytes()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2, 10])
def test_moving_average_equals_pytorch(kind, count):
    reference = observers.MovingAverageMinMaxObserver(reduce_range=True)
    observer, actual, expected = observed_by_both("moving_average", reference, batches(kind, count, 500))
    assert (observer.low, observer.high) == (reference.min_val.item(), reference.max_val.item())
    assert actual == expected
