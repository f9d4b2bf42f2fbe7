"""The tables of measured and estimated energies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

from octavo.graph.workload import Workload
from octavo.measure import Energy, Latency
from octavo.pipeline.bench import Benchmark, Timing
from octavo.report.plain import Plain, plain
from octavo.report.terminal.energy import show_energy

NAMES = ["model.onnx", "model.int8.onnx"]
WORKS = [Workload(0, 4.09e9, 102e6, 135e6), Workload(3.97e9, 0.118e9, 25.9e6, 34.3e6)]
ENERGIES = [Energy(18.8e-3, 16.6e-3, 1.7e-3), Energy(1.73e-3, 4.21e-3, 0.43e-3)]
WHY = "the system shows no energy counter"


def benchmark(energies: list[dict[str, Any]], no_counter: str = "") -> Plain:
    timed = Latency(1.0, 1.0, 1.0, 10)
    timings = [Timing(Path(name), False, 1, timed, **energy) for name, energy in zip(NAMES, energies, strict=True)]
    return plain(Benchmark(timings, 1, None, no_counter))  # type: ignore[no-any-return]


ESTIMATED = benchmark([{"work": w, "estimate": e} for w, e in zip(WORKS, ENERGIES, strict=True)], WHY)


def test_measured_energies_are_shown_with_ratios() -> None:
    text = rendered(show_energy, benchmark([{"joules": 0.5}, {"joules": 0.125}]), width=WIDE)
    assert "Energy of a run, measured" in text
    assert "(RAPL)" in text
    assert rows(text) == [["model.onnx", "500", ""], ["model.int8.onnx", "125", "4.00x less"]]


def test_an_estimate_names_its_source() -> None:
    text = rendered(show_energy, ESTIMATED, width=WIDE)
    assert "Energy of a run, estimated" in text
    assert (
        f"Estimated from operations and bytes with the energies of Horowitz, ISSCC 2014, 45 nm; not measured: {WHY}."
        in text
    )
    assert rows(text) == [
        ["model.onnx", "0", "4.09", "102", "135", "37.1", ""],
        ["model.int8.onnx", "3.97", "0.118", "25.9", "34.3", "6.37", "5.82x less"],
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    text = rendered(show_energy, ESTIMATED, width=width)
    assert {"4.09", "0.118", "37.1", "6.37"} <= words(text)
