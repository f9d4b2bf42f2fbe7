"""The energy counter, read from a simulated powercap folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from octavo.measure import EnergyCounter, energy_counter, joules, powercap

LARGEST = 262_143_328_850


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def zone(root: Path, folder: str, name: str, microjoules: int, largest: int = LARGEST) -> Path:
    path = root / folder
    path.mkdir()
    (path / "name").write_text(f"{name}\n", encoding="ascii")
    (path / "energy_uj").write_text(f"{microjoules}\n", encoding="ascii")
    (path / "max_energy_range_uj").write_text(f"{largest}\n", encoding="ascii")
    return path


def counter_in(root: Path) -> EnergyCounter:
    counter = energy_counter(root)
    assert isinstance(counter, EnergyCounter), counter
    return counter


def test_packages_and_memory_count_once(root: Path) -> None:
    for folder, name, value in [
        ("intel-rapl:0", "package-0", 1_000),
        ("intel-rapl:0:0", "core", 20_000),
        ("intel-rapl:0:1", "dram", 300),
        ("intel-rapl:1", "package-1", 4_000),
        ("intel-rapl:2", "psys", 500_000),
    ]:
        zone(root, folder, name, value)
    (root / "intel-rapl").mkdir()
    assert sorted(counter_in(root).read()) == [300, 1_000, 4_000]


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(10, 10, 0.0), (1_000_000, 3_500_000, 2.5), (LARGEST - 500_000, 1_500_000, 2.0)]
)
def test_joules_between_two_readings_with_counter_overflow(
    root: Path, before: int, after: int, expected: float
) -> None:
    path = zone(root, "intel-rapl:0", "package-0", before)
    counter = counter_in(root)
    first = counter.read()
    (path / "energy_uj").write_text(str(after), encoding="ascii")
    assert counter.joules(first, counter.read()) == pytest.approx(expected)


def test_counters_overflow_independently(root: Path) -> None:
    zone(root, "intel-rapl:0", "package-0", 0, largest=100)
    zone(root, "intel-rapl:0:1", "dram", 0, largest=1_000)
    assert counter_in(root).joules([90, 990], [10, 10]) == pytest.approx((20 + 20) * 1e-6)


def test_a_missing_counter_is_reported(root: Path) -> None:
    assert energy_counter(root / "none") == "the system shows no energy counter of the processor"
    zone(root, "intel-rapl:2", "psys", 1)
    assert energy_counter(root) == "the system shows no energy counter of the processor"


def test_the_message_of_an_unreadable_counter_says_how_to_get_permission(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zone(root, "intel-rapl:0", "package-0", 1)
    (path / "energy_uj").chmod(0)
    if os.access(path / "energy_uj", os.R_OK):  # root ignores file modes
        monkeypatch.setattr(powercap.Zone, "read", lambda _: (_ for _ in ()).throw(PermissionError()))
    assert "sudo chmod a+r" in str(energy_counter(root))


@pytest.mark.parametrize(("file", "text"), [("energy_uj", "many"), ("max_energy_range_uj", "")])
def test_a_counter_without_a_number_is_ignored(root: Path, file: str, text: str) -> None:
    (zone(root, "intel-rapl:0", "package-0", 1) / file).write_text(text, encoding="ascii")
    assert energy_counter(root) == "the processor's energy counter cannot be read"


class Burner:
    """An engine that uses `microjoules` and some time per run."""

    inputs = outputs = ()

    def __init__(self, path: Path, clock: list[float], microjoules: int) -> None:
        self.path, self.clock, self.microjoules = path, clock, microjoules

    def run(self, feeds: Mapping[str, Any]) -> dict[str, Any]:
        self.clock[0] += 0.02
        file = self.path / "energy_uj"
        total = int(file.read_text(encoding="ascii")) + self.microjoules
        file.write_text(str(total % LARGEST), encoding="ascii")
        return {}


def test_each_engine_is_charged_with_its_own_runs(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(powercap, "perf_counter", lambda: clock[0])
    # The counter overflows during the measurement.
    path = zone(root, "intel-rapl:0", "package-0", LARGEST - 10_000)
    engines = [Burner(path, clock, 700), Burner(path, clock, 100)]
    assert joules(engines, [{}, {}], counter_in(root), 2.0) == pytest.approx([700e-6, 100e-6])
