"""The tables of an inspected model: every operator once, with what it becomes."""

from __future__ import annotations

import numpy as np
import pytest
from tests.helpers.consoles import WIDE, WIDTHS, rendered, rows, words

from octavo.graph import TensorSpec
from octavo.pipeline.inspection import Inspection, Operator
from octavo.report.plain import plain
from octavo.report.terminal.inspection import show_inspection

LONG = "/features/" + "block/" * 9 + "Conv"
OPERATORS = [
    Operator("stem", "Conv", False, "float", None, "excluded by 'st[e]m'"),
    Operator(LONG, "Conv", True, "int8[-127,127]·uint8", 2**27, ""),
    Operator("relu", "Relu", True, "fused", None, f"into Conv '{LONG}'"),
    Operator("pool", "GlobalAveragePool", True, "uint8 (carry)", None, ""),
]
INSPECTION = plain(
    Inspection(
        "x86-vnni",
        17,
        (TensorSpec("image", np.dtype("float32"), ("batch", 3, None)),),
        (TensorSpec("out[0]", np.dtype("int64"), (1,)),),
        OPERATORS,
        97_800_000,
        24_500_000,
    )
)


def test_inputs_and_outputs_come_first() -> None:
    assert rendered(show_inspection, INSPECTION).splitlines()[:3] == [
        "input image: float32 [batch, 3, ?]",
        "output out[0]: int64 [1]",
        "opset 17, 4 operators after folding",
    ]


def test_every_operator_has_its_row() -> None:
    assert rows(rendered(show_inspection, INSPECTION, width=WIDE), "Operators in order") == [
        ["Conv stem", "float", "excluded by 'st[e]m'"],
        [f"Conv {LONG}", "int8[-127,127]·uint8", "6.25% of 2^31"],
        ["Relu relu", "fused", f"into Conv '{LONG}'"],
        ["GlobalAveragePool pool", "uint8 (carry)", ""],
    ]


def test_kinds_are_counted_most_frequent_first() -> None:
    table = rows(rendered(show_inspection, INSPECTION, width=WIDE), "Operators by kind")
    assert table == [["Conv", "1", "1"], ["Relu", "1", "0"], ["GlobalAveragePool", "1", "0"]]


def test_sizes_and_integer_operators_come_last() -> None:
    text = rendered(show_inspection, INSPECTION, width=WIDE)
    assert "weights 97.8 MB in float, about 24.5 MB quantized; 3 of 4 operators in integers for x86-vnni" in text


@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut(width: int) -> None:
    text = rendered(show_inspection, INSPECTION, width=width)
    assert {"int8[-127,127]·uint8", "6.25%", "97.8", "24.5", "GlobalAveragePool"} <= words(text)
