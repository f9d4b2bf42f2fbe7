"""The derivation: its steps and values, and channels compared with NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

from octavo.affine import INT8, UINT8, derive
from octavo.pipeline.explain import explain
from octavo.report.plain import plain
from octavo.report.terminal.derivation import show_channels, show_derivation


@pytest.mark.parametrize("width", WIDTHS)
def test_scale_and_zero_point_are_shown_in_full(width: int) -> None:
    derivation = derive(-1.3, 2.7, INT8)
    printed = words(rendered(show_derivation, plain(derivation), width=width))
    assert f"{float(derivation.params.scale):.17g}" in printed
    assert str(int(derivation.params.zero_point)) == "-45"
    assert "-45" in printed
    assert {"[-1.3,", "2.7]", "-128,", "127"} <= printed


def test_values_are_quantized_and_dequantized() -> None:
    text = rendered(show_derivation, plain(derive(0.0, 2.55, UINT8, values=[0.5, -1.0, 3.0, 0.0])), width=WIDE)
    table = rows(text, "Values")
    scale = float(np.float32(0.01))
    assert [row[2] for row in table] == ["50", "0", "255", "0"]
    assert [row[6] for row in table] == ["", "clipped", "clipped", ""]
    assert [float(row[3]) for row in table] == pytest.approx([50 * scale, 0, 255 * scale, 0], rel=1e-6)
    assert [float(row[4]) for row in table] == pytest.approx([0, 1.0, -0.45, 0], abs=1e-6)
    assert [row[5] for row in table] == ["0.005", "", "", "0.005"]


def test_without_values_there_is_no_table_of_them() -> None:
    assert "Values" not in rendered(show_derivation, plain(derive(-1.0, 1.0, INT8)))


def channels(array: np.ndarray, axis: int, width: int = WIDE) -> str:
    explanation = explain(weights=array, symmetric=True, axis=axis)
    return rendered(show_channels, plain(explanation.channel_errors()), axis, width=width)


def test_each_channel_has_its_range_scale_and_error() -> None:
    array = np.random.default_rng(0).normal(size=(5, 3, 4)).astype(np.float32)
    table = rows(channels(array, 1))
    for channel, row in enumerate(table):
        x = array[:, channel].astype(np.float64)
        scale = np.abs(x).max() / 127
        error = x - np.rint(x / scale) * scale
        low, high, shown, zero_point, worst = (float(cell) for cell in row[1:6])
        assert [row[0], zero_point] == [str(channel), 0]
        assert [low, high, shown] == pytest.approx([x.min(), x.max(), scale], rel=1e-4)
        assert worst == pytest.approx(np.abs(error).max() / scale, abs=2e-4)
        assert worst <= 0.5
        assert float(row[6].removesuffix(" dB")) == pytest.approx(
            10 * np.log10((x**2).sum() / (error**2).sum()), abs=0.06
        )
    assert len(table) == 3


def test_a_channel_on_the_grid_is_exact() -> None:
    table = rows(channels(np.array([[127.0, -3.0], [0.0, 0.0]], np.float32), 0))
    assert [row[6] for row in table] == ["exact", "exact"]
    assert [row[3] for row in table] == ["1", "1"]


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    array = (np.random.default_rng(0).normal(size=(64, 9)) * 0.01).astype(np.float32)
    printed = words(channels(array, 0, width))
    for row in array:
        assert {f"{row.min():.5g}", f"{row.max():.5g}"} <= printed


def test_further_channels_are_counted() -> None:
    text = channels(np.ones((100, 2), np.float32), 0)
    assert len(rows(text)) == 64
    assert "and 36 more channels" in text
