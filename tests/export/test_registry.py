"""Output formats: contracts over the registry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest
from tests.helpers import models
from tests.helpers.qdq import Qdq

from octavo.affine import UINT8, QuantParams
from octavo.errors import ModelError, OptionError
from octavo.export import FORMATS, Format, export_model, find_format

GRID = QuantParams(UINT8, np.float32(0.05), np.int32(120))


@pytest.fixture
def model() -> ir.Model:
    """A quantized model that every format can represent."""
    built = Qdq()
    y = built.node("Relu", [built.source("x", (2, 3), GRID)], "y")
    built.result(built.quantized(y, GRID), "uint8")
    return ir.from_proto(built.proto())


def test_names_and_suffixes_are_unique() -> None:
    names = [output_format.name for output_format in FORMATS]
    suffixes = [suffix for output_format in FORMATS for suffix in output_format.suffixes]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in suffixes)


@pytest.mark.parametrize("output_format", FORMATS, ids=lambda output_format: output_format.name)
def test_a_format_is_chosen_by_suffix_or_name(output_format: Format, model: ir.Model, tmp_path: Path) -> None:
    by_name = export_model(model, tmp_path / "named.bin", output_format.name)
    assert by_name.stat().st_size > 0
    for suffix in output_format.suffixes:
        assert find_format(f"model{suffix}") is output_format
        assert find_format(f"MODEL{suffix.upper()}") is output_format
        assert export_model(model, tmp_path / f"chosen{suffix}").read_bytes() == by_name.read_bytes()


@pytest.mark.parametrize("output_format", FORMATS, ids=lambda output_format: output_format.name)
def test_a_format_does_not_modify_the_model(output_format: Format, model: ir.Model, tmp_path: Path) -> None:
    before = ir.to_proto(model).SerializeToString()
    output_format.write(model, tmp_path / "out")
    assert ir.to_proto(model).SerializeToString() == before


@pytest.mark.parametrize("output_format", FORMATS, ids=lambda output_format: output_format.name)
def test_an_existing_file_is_replaced_only_if_asked(output_format: Format, model: ir.Model, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"old")
    with pytest.raises(OptionError, match="exists"):
        export_model(model, path, output_format.name)
    assert path.read_bytes() == b"old"
    export_model(model, path, output_format.name, overwrite=True)
    assert path.read_bytes() != b"old"


@pytest.mark.parametrize("output_format", FORMATS, ids=lambda output_format: output_format.name)
def test_a_refused_model_leaves_no_file(output_format: Format, tmp_path: Path) -> None:
    float_model = models.build([models.node("Cos", ["x"], "y")], {"x": [2]}, {"y": [2]})
    try:
        output_format.write(ir.from_proto(float_model), tmp_path / "out")
    except ModelError:
        assert list(tmp_path.iterdir()) == []
    else:
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_other_suffixes_select_the_first_format() -> None:
    assert find_format("model") is find_format("model.bin") is FORMATS[0]
    assert FORMATS[0].name == "qdq"


def test_an_unknown_format_is_refused(tmp_path: Path, model: ir.Model) -> None:
    with pytest.raises(OptionError, match=r"there is no output format 'tflite'; choose .*bundle"):
        export_model(model, tmp_path / "out", "tflite")
    assert list(tmp_path.iterdir()) == []
