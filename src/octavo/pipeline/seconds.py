"""Wall time by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

Seconds = Mapping[str, float]


@contextmanager
def timed(seconds: dict[str, float], stage: str) -> Iterator[None]:
    """Add the wall time of the block to `seconds[stage]`."""
    start = perf_counter()
    yield
    seconds[stage] = seconds.get(stage, 0.0) + perf_counter() - start


def total(*parts: Seconds) -> dict[str, float]:
    """Sum the seconds of each stage; stages stay in the order in which they first ran."""
    seconds: dict[str, float] = {}
    for part in parts:
        for stage, duration in part.items():
            seconds[stage] = seconds.get(stage, 0.0) + duration
    return seconds
