"""The tables of compared models: errors in graph order, and the layer with the lowest SQNR."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

from octavo.measure.compare import ComparedTensor, Comparison
from octavo.measure.layers import TensorError
from octavo.report.plain import plain
from octavo.report.terminal.comparison import show_comparisons


def tensor(name: str, sqnr_db: float, cosine: float = 0.99993, op: str = "Conv") -> ComparedTensor:
    error = TensorError(sqnr_db, cosine, None, 0.0, np.zeros(0), 0.0)
    return ComparedTensor(name, op, f"{op.lower()}_{name}", error)


LONG = "/encoder/" + "layer/" * 20 + "output_0"
LAYERS = [tensor("a", 44.92), tensor(LONG, -3.14, 0.5), tensor("c[0]", 200.0, 1.0, "GlobalAveragePool")]
COMPARISON = Comparison([tensor("logits", 38.46, 0.99993, "Gemm")], LAYERS)


def test_outputs_and_layers_have_their_figures_in_order() -> None:
    text = rendered(show_comparisons, ["int8.onnx"], plain([COMPARISON]), width=WIDE)
    assert rows(text, "Outputs") == [["logits", "Gemm", "38.5 dB", "0.999930"]]
    assert rows(text, "Layers in order") == [
        ["a", "Conv", "44.9 dB", "0.999930"],
        [LONG, "Conv", "-3.1 dB", "0.500000"],
        ["c[0]", "GlobalAveragePool", "exact", "1.000000"],
    ]
    assert text.rstrip().endswith(f"lowest SQNR: Conv 'conv_{LONG}', -3.1 dB")


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    text = rendered(show_comparisons, ["int8.onnx"], plain([COMPARISON]), width=width)
    assert {"38.5", "44.9", "-3.1", "0.999930", "0.500000", "1.000000", "GlobalAveragePool"} <= words(text)


def test_models_without_shared_tensors_have_no_table() -> None:
    text = rendered(show_comparisons, ["int8.onnx"], plain([Comparison([], [])]))
    assert text.splitlines() == [
        "the models share no output names",
        "the models share no inner tensor names, so only outputs can be compared",
    ]


def test_several_models_have_columns_side_by_side() -> None:
    other = Comparison(COMPARISON.outputs, [tensor("a", 20.0)])
    text = rendered(show_comparisons, ["one.onnx", "two.onnx"], plain([COMPARISON, other]), width=WIDE)
    assert rows(text, "Layers in order") == [
        ["a", "Conv", "44.9 dB", "0.999930", "20.0 dB", "0.999930"],
        [LONG, "Conv", "-3.1 dB", "0.500000", "", ""],
        ["c[0]", "GlobalAveragePool", "exact", "1.000000", "", ""],
    ]
    assert f"lowest SQNR of one.onnx: Conv 'conv_{LONG}', -3.1 dB" in text
    assert "lowest SQNR of two.onnx: Conv 'conv_a', 20.0 dB" in text
