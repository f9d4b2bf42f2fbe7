"""A trained encoder from token ids to hidden states in the native runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers.instruction_sets import each_isa
from tests.helpers.real_cases import real_case

import octavo
from octavo.compiler import compile_model, read_bundle
from octavo.engines.onnxruntime import Session

pytestmark = pytest.mark.slow

PAIRS = 100


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[ir.Model, Path]:
    """The quantized model, and its bundle for one sequence of the length of the samples."""
    case = real_case("minilm_sts")
    length = next(iter(case.evaluation.values())).shape[1]
    model = octavo.quantize(case.model, dict(case.calibration), "octavo", verify=False).model
    path = tmp_path_factory.mktemp("encoder") / "encoder.oct"
    path.write_bytes(compile_model(model, batch=1, dims={"L": length}))
    return model, path


def test_the_sequence_length_can_be_dynamic(encoder: tuple[ir.Model, Path], tmp_path: Path) -> None:
    """At each length the outputs equal those of a bundle of that fixed length."""
    (tmp_path / "open.oct").write_bytes(compile_model(encoder[0], batch=1, dims={"L": (1, 512)}))
    opened = octavo.load(tmp_path / "open.oct")
    rng = np.random.default_rng(0)
    for length in (1, 9, 40):
        (tmp_path / "fixed.oct").write_bytes(compile_model(encoder[0], batch=1, dims={"L": length}))
        feeds = {spec.name: rng.integers(0, 2, (1, length)) for spec in opened.inputs}
        feeds["attention_mask"][:, 0] = 1
        (actual,), (expected,) = opened.run(feeds).values(), octavo.load(tmp_path / "fixed.oct").run(feeds).values()
        np.testing.assert_array_equal(actual, expected)


def test_the_number_of_threads_does_not_change_the_outputs(encoder: tuple[ir.Model, Path]) -> None:
    feeds = {name: array[:1] for name, array in real_case("minilm_sts").evaluation.items()}
    answers = [next(iter(octavo.load(encoder[1], threads=threads).run(feeds).values())) for threads in (1, 3)]
    np.testing.assert_array_equal(*answers)


def test_it_keeps_its_metric(encoder: tuple[ir.Model, Path]) -> None:
    """Integers equal ONNX Runtime's up to rounding, which attention amplifies: at most half a point of the metric."""
    case, (model, path) = real_case("minilm_sts"), encoder
    half = len(case.reference["labels"]) // 2
    rows = np.concatenate([np.arange(PAIRS), half + np.arange(PAIRS)])
    native, reference = octavo.load(path), Session(model, threads=1)
    actual, expected = [], []
    for row in rows:
        feeds = {name: array[row : row + 1] for name, array in case.evaluation.items()}
        (output,), (reference_output,) = native.run(feeds).values(), reference.run(feeds).values()
        actual.append(output)
        expected.append(reference_output)
    labels = {name: array[rows] for name, array in case.reference.items()}
    metrics = [case.metric({"y": np.concatenate(outputs)}, labels) for outputs in (actual, expected)]
    assert abs(metrics[0] - metrics[1]) <= 0.5
    cosine = [(a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(actual, expected, strict=True)]
    assert np.median(cosine) >= 0.99


@each_isa
def test_every_instruction_set_gives_the_same_bits(
    isa: str, encoder: tuple[ir.Model, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = {name: array[:1] for name, array in real_case("minilm_sts").evaluation.items()}
    (expected,) = octavo.load(encoder[1]).run(feeds).values()
    monkeypatch.setenv("OCTAVO_ISA", isa)
    (actual,) = octavo.load(encoder[1]).run(feeds).values()
    np.testing.assert_array_equal(actual, expected)


def test_operators_between_products_are_fused(encoder: tuple[ir.Model, Path]) -> None:
    kinds = Counter(operator.kind for operator in read_bundle(encoder[1].read_bytes()).operators)
    assert (kinds["Attention"], kinds["MatMulFunction"], kinds["LayerNorm"], kinds["Transpose"]) == (6, 6, 13, 0)
