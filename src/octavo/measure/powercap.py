"""Energy of model runs by the processor's RAPL counters, in the powercap interface of Linux.

https://www.kernel.org/doc/html/latest/power/powercap/powercap.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from numpy.typing import NDArray

from octavo.engines import Engine

POWERCAP = Path("/sys/class/powercap")
# Much longer than the counter's update interval of about one millisecond.
_TURN_SECONDS = 0.25
_MIN_TURNS = 3
_MICRO = 1e-6


@dataclass(frozen=True)
class Zone:
    """One counter in microjoules, which wraps around after `largest`."""

    path: Path
    largest: int

    def read(self) -> int:
        """The current value."""
        return int((self.path / "energy_uj").read_text(encoding="ascii"))


class EnergyCounter:
    """The counters of all processor packages, and of DRAM where available."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = tuple(zones)

    def read(self) -> list[int]:
        """The current values."""
        return [zone.read() for zone in self._zones]

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        """Energy between two readings with at most one wrap-around between them."""
        rows = zip(self._zones, before, after, strict=True)
        microjoules = [end - start if end >= start else end - start + zone.largest for zone, start, end in rows]
        return sum(microjoules) * _MICRO


def energy_counter(root: Path = POWERCAP) -> EnergyCounter | str:
    """The counter of this machine, or a sentence that says why there is none."""
    zones = sorted(path for path in root.glob("*") if (path / "energy_uj").is_file() and _counts(path))
    if not zones:
        return "the system shows no energy counter of the processor"
    try:
        counters = [Zone(path, int((path / "max_energy_range_uj").read_text(encoding="ascii"))) for path in zones]
        for zone in counters:
            zone.read()
    except PermissionError:
        return f"the processor's energy counter may be read by root only; allow it: sudo chmod a+r {root}/*/energy_uj"
    except (OSError, ValueError):
        return "the processor's energy counter cannot be read"
    return EnergyCounter(counters)


def joules(
    engines: Sequence[Engine],
    feeds: Sequence[Mapping[str, NDArray[Any]]],
    counter: EnergyCounter,
    seconds: float,
) -> list[float]:
    """Joules per run of each engine, the median over interleaved turns.

    Args:
        engines: engines to measure.
        feeds: inputs of each engine.
        counter: counts the whole processor, other programs and idle power included.
        seconds: approximate duration of all turns.
    """
    joules_by_engine: list[list[float]] = [[] for _ in engines]
    until = perf_counter() + seconds
    while len(joules_by_engine[0]) < _MIN_TURNS or perf_counter() < until:
        for engine, inputs, turns in zip(engines, feeds, joules_by_engine, strict=True):
            turns.append(_turn(engine, inputs, counter))
    return [median(turns) for turns in joules_by_engine]


def _turn(engine: Engine, feeds: Mapping[str, NDArray[Any]], counter: EnergyCounter) -> float:
    runs, begin, before = 0, perf_counter(), counter.read()
    while runs == 0 or perf_counter() - begin < _TURN_SECONDS:
        engine.run(feeds)
        runs += 1
    return counter.joules(before, counter.read()) / runs


def _counts(zone: Path) -> bool:
    """Whether to count a zone: core and uncore are part of a package, and psys includes the packages."""
    try:
        name = (zone / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return False
    return name.startswith("package") or name == "dram"
