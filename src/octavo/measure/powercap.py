"""The processor's energy counter (RAPL) as Linux shows it, and what runs of models take by it.

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
# Long against the counter's own steps of about a millisecond.
_TURN_SECONDS = 0.25
_LEAST_TURNS = 3
_MICRO = 1e-6


@dataclass(frozen=True)
class Zone:
    """One counter, in microjoules: it begins anew behind `largest`."""

    path: Path
    largest: int

    def read(self) -> int:
        """Where it stands."""
        return int((self.path / "energy_uj").read_text(encoding="ascii"))


class EnergyCounter:
    """The packages of all processors, cores and caches in them, and their memory where it has a counter."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        self._zones = tuple(zones)

    def read(self) -> list[int]:
        """Where the counters stand."""
        return [zone.read() for zone in self._zones]

    def joules(self, before: Sequence[int], after: Sequence[int]) -> float:
        """What was taken between two readings, less than one round of a counter apart."""
        rows = zip(self._zones, before, after, strict=True)
        taken = [end - start if end >= start else end - start + zone.largest for zone, start, end in rows]
        return sum(taken) * _MICRO


def energy_counter(root: Path = POWERCAP) -> EnergyCounter | str:
    """The counter of this machine; a sentence that says why where there is none."""
    zones = sorted(path for path in root.glob("*") if (path / "energy_uj").is_file() and _counts(path))
    if not zones:
        return "the system shows no energy counter of the processor"
    try:
        found = [Zone(path, int((path / "max_energy_range_uj").read_text(encoding="ascii"))) for path in zones]
        for zone in found:
            zone.read()
    except PermissionError:
        return f"the processor's energy counter may be read by root only; allow it: sudo chmod a+r {root}/*/energy_uj"
    except (OSError, ValueError):
        return "the processor's energy counter cannot be read"
    return EnergyCounter(found)


def joules(
    engines: Sequence[Engine],
    feeds: Sequence[Mapping[str, NDArray[Any]]],
    counter: EnergyCounter,
    seconds: float,
) -> list[float]:
    """Joules of a run of each engine: the median over turns that the engines take one after the other.

    Args:
        engines: what to measure.
        feeds: inputs for each.
        counter: counts all that the processor does, other programs and its idling included.
        seconds: about how long all turns together may take.
    """
    taken: list[list[float]] = [[] for _ in engines]
    until = perf_counter() + seconds
    while len(taken[0]) < _LEAST_TURNS or perf_counter() < until:
        for engine, inputs, each in zip(engines, feeds, taken, strict=True):
            each.append(_turn(engine, inputs, counter))
    return [median(each) for each in taken]


def _turn(engine: Engine, feeds: Mapping[str, NDArray[Any]], counter: EnergyCounter) -> float:
    runs, begin, before = 0, perf_counter(), counter.read()
    while runs == 0 or perf_counter() - begin < _TURN_SECONDS:
        engine.run(feeds)
        runs += 1
    return counter.joules(before, counter.read()) / runs


def _counts(zone: Path) -> bool:
    """Whether a zone is counted: parts of a package are in it already, and psys has the package in itself."""
    try:
        name = (zone / "name").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return False
    return name.startswith("package") or name == "dram"
