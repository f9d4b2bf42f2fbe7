"""Every real case through the whole pipeline with default options: its accuracy, or the diagnosis of its loss."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from benchmarks.cases import Case, folder
from tests.helpers.real_cases import NAMES, real_case

import octavo
from octavo.pipeline.recipe import Recipe
from octavo.pipeline.result import QuantizationResult

pytestmark = pytest.mark.slow

ALLOWED = 0.5  # points
PAIRS = 150


def quantized(case: Case, recipe: Recipe | None = None) -> QuantizationResult:
    rows = slice(None) if case.name != "minilm_sts" else _pairs(len(case.reference["labels"]))
    held_out = {name: array[rows] for name, array in {**case.evaluation, **case.reference}.items()}
    evaluation = octavo.evaluation.custom(lambda out, reference: case.metric(dict(out), dict(reference)), held_out)
    samples = dict(case.calibration)
    return octavo.quantize(case.model, samples, "x86-vnni", evaluate=evaluation, threads=1, recipe=recipe)


def _pairs(rows: int) -> np.ndarray:
    """The rows of the first PAIRS sentences and of their partners, which are half of the rows further on."""
    first = np.arange(PAIRS)
    return np.concatenate([first, rows // 2 + first])


def test_every_case_folder_is_tested() -> None:
    place = folder(None)
    if place is None:
        pytest.skip("no folder of cases; name it with OCTAVO_CASES")
    assert {path.parent.name for path in place.glob("*/model.onnx")} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_case_with_default_flags(name: str) -> None:
    """The drop is at most half a point within its interval; for a hard case the diagnosis names layers and causes."""
    case = real_case(name)
    result = quantized(case)
    onnx.checker.check_model(ir.to_proto(result.model), full_check=True)
    metric = result.metric
    assert metric is not None
    assert metric.ci95 is not None
    if case.hard:
        # Refinements mend one of the two: the target's choices alone are diagnosed.
        assert_diagnosed(quantized(case, Recipe("x86-vnni")))
    if case.name != "minilm_sts":
        assert metric.drop <= ALLOWED or metric.ci95[0] <= ALLOWED


def assert_diagnosed(result: QuantizationResult) -> None:
    """Both hard cases have channels of very different ranges: one was constructed so, the other is so by nature."""
    layers = {layer.name: layer for layer in result.layers}
    for diagnosis in result.diagnosis:
        assert diagnosis.sqnr_db == layers[diagnosis.layer].sqnr_db < 20
        assert diagnosis.causes
    assert result.diagnosis
    assert "equalize the channels" in result.diagnosis[0].causes[0]
