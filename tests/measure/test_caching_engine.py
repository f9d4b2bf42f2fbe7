"""An engine that caches its outputs."""

from __future__ import annotations

import numpy as np
from tests.helpers import models
from tests.helpers.models import feeds

from octavo.engines.onnxruntime import Session
from octavo.measure.caching_engine import CachingEngine


def test_a_repeated_batch_is_run_once() -> None:
    model = models.mlp()
    engine = Session(model.SerializeToString())
    recorded, first, second = CachingEngine(engine), feeds(model, 0), feeds(model, 1)
    runs: list[int] = []
    plain = engine.run

    def counted(batch: models.Arrays) -> models.Arrays:
        runs.append(1)
        return plain(batch)

    engine.run = counted  # type: ignore[method-assign,assignment]
    for batch in (first, second, first, second):
        for name, array in recorded.run(batch).items():
            assert np.array_equal(array, plain(batch)[name])
    assert len(runs) == 2
