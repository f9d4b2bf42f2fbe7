"""A trained encoder, whole: tokens in, hidden states out, all of it in the native runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.native.isas import each_isa
from tests.real_cases import real_case

import octavo
from octavo.engines.onnxruntime import Session
from octavo.export import compile_model, read_bundle

pytestmark = pytest.mark.slow

PAIRS = 100


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> tuple[ir.Model, Path]:
    """The quantized model, its sequences of a fixed length, and its bundle."""
    case = real_case("minilm_sts")
    length = next(iter(case.evaluation.values())).shape[1]
    model = octavo.quantize(case.model, dict(case.calibration), "octavo", verify=False).model
    for value in (*model.graph.inputs, *model.graph.outputs):
        assert value.shape is not None
        value.shape = ir.Shape([1, length, *list(value.shape)[2:]])
    path = tmp_path_factory.mktemp("encoder") / "encoder.oct"
    path.write_bytes(compile_model(model))
    return model, path


def test_it_keeps_its_metric(encoder: tuple[ir.Model, Path]) -> None:
    """The same integers as ONNX Runtime but for roundings, which attention spreads: half a point at most."""
    case, (model, path) = real_case("minilm_sts"), encoder
    half = len(case.reference["labels"]) // 2
    rows = np.concatenate([np.arange(PAIRS), half + np.arange(PAIRS)])
    native, reference = octavo.load(path), Session(model, threads=1)
    found, expected = [], []
    for row in rows:
        feeds = {name: array[row : row + 1] for name, array in case.evaluation.items()}
        (one,), (other,) = native.run(feeds).values(), reference.run(feeds).values()
        found.append(one)
        expected.append(other)
    labels = {name: array[rows] for name, array in case.reference.items()}
    metrics = [case.metric({"y": np.concatenate(each)}, labels) for each in (found, expected)]
    assert abs(metrics[0] - metrics[1]) <= 0.5
    cosine = [(a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(found, expected, strict=True)]
    assert np.median(cosine) >= 0.99


@each_isa
def test_every_instruction_set_gives_the_same_bits(
    isa: str, encoder: tuple[ir.Model, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    feeds = {name: array[:1] for name, array in real_case("minilm_sts").evaluation.items()}
    (expected,) = octavo.load(encoder[1]).run(feeds).values()
    monkeypatch.setenv("OCTAVO_ISA", isa)
    (found,) = octavo.load(encoder[1]).run(feeds).values()
    np.testing.assert_array_equal(found, expected)


def test_what_lies_between_its_products_is_merged(encoder: tuple[ir.Model, Path]) -> None:
    kinds = Counter(each.kind for each in read_bundle(encoder[1].read_bytes()).operators)
    assert (kinds["Attention"], kinds["MatMulFunction"], kinds["LayerNorm"], kinds["Transpose"]) == (6, 6, 13, 0)
