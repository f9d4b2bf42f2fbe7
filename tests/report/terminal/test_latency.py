"""The table of latencies: figures of each model, and ratios to the first."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

from octavo.measure import Latency
from octavo.pipeline.bench import Benchmark, Timing
from octavo.report.plain import plain
from octavo.report.terminal.latency import show_latencies

LATENCIES = [
    Latency(22.84, 22.51, 23.9, 321),
    Latency(0.057444, 0.0561, 0.0599, 321),
    Latency(1234.5, 1200.0, 2500.4, 321),
]
NAMES = ["model.onnx", "/a/long/[folder]/" + "deeper/" * 12 + "model.int8.onnx", "other.onnx"]


def shown(width: int) -> str:
    rows = zip(NAMES, [97_800_000, 25_600_000, 999_999], LATENCIES, strict=True)
    benchmark = Benchmark([Timing(Path(name), False, size, latency) for name, size, latency in rows], 4, 2)
    return rendered(show_latencies, plain(benchmark), "avx2", width=width)


def test_each_model_has_its_row() -> None:
    text = shown(WIDE)
    assert rows(text) == [
        ["model.onnx", "97.8 MB", "22.8", "22.5 … 23.9", ""],
        [NAMES[1], "25.6 MB", "0.0574", "0.0561 … 0.0599", "397.60x faster"],
        ["other.onnx", "1 MB", "1234", "1200 … 2500", "54.05x slower"],
    ]


def test_the_title_says_how_it_was_measured() -> None:
    assert "Latency in ms, ONNX Runtime, batch 4, 2 threads, 321 rounds interleaved" in shown(WIDE)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    assert {"97.8", "22.8", "0.0574", "0.0561", "0.0599", "397.60x", "1234", "2500", "54.05x"} <= words(shown(width))
