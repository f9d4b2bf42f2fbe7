"""ONNX's conformance tests of the quantization operators, on the native runtime.

In these tests everything is an input, including weights and scales. What the compiler needs is bound as a
constant (CONSTANT); the rest stay inputs. LEFT_OUT has the unsupported cases and the reasons, as has docs/native.md.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from tests.helpers.instruction_sets import each_isa
from tests.helpers.native_build import ROOT

import octavo
from octavo.compiler import compile_model
from octavo.errors import ModelError

# For each operator, the inputs that are bound as constants: weights are packed at compile time, and the scales of
# an operator are fused into it.
CONSTANT: dict[str, Iterable[int]] = {
    "QuantizeLinear": (),
    "DequantizeLinear": (),
    "DynamicQuantizeLinear": (),
    "QLinearConv": range(1, 9),
    "QLinearMatMul": range(1, 8),
    "ConvInteger": (1, 3),
    "MatMulInteger": (1, 3),
}
FLOAT8 = "floats of 8 and 4 bits lie on no integer grid, and no kernel computes with them"
EXPANDED = "ONNX's expansion into Round, Min and others, which have no kernel; DynamicQuantizeLinear itself has"
LEFT_OUT = {
    "test_dequantizelinear_e4m3fn": FLOAT8,
    "test_dequantizelinear_e4m3fn_float16": FLOAT8,
    "test_dequantizelinear_e4m3fn_zero_point": FLOAT8,
    "test_dequantizelinear_e5m2": FLOAT8,
    "test_dequantizelinear_float4e2m1": FLOAT8,
    "test_quantizelinear_e4m3fn": FLOAT8,
    "test_quantizelinear_e5m2": FLOAT8,
    "test_quantizelinear_float4e2m1": FLOAT8,
    "test_dynamicquantizelinear_expanded": EXPANDED,
    "test_dynamicquantizelinear_max_adjusted_expanded": EXPANDED,
    "test_dynamicquantizelinear_min_adjusted_expanded": EXPANDED,
}


def collected() -> dict[str, Any]:
    """ONNX's node tests that contain one of the operators."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.loader import load_model_tests

        tests = load_model_tests(kind="node")
    return {test.name: test for test in tests if CONSTANT.keys() & {node.op_type for node in test.model.graph.node}}


CASES = collected()
MAPPINGS = ("QuantizeLinear", "DequantizeLinear")
TAKEN = sorted(CASES.keys() - LEFT_OUT.keys())


def first_operator(name: str) -> str:
    op_type: str = CASES[name].model.graph.node[0].op_type
    return op_type


def array(value: Any) -> NDArray[Any]:
    """The array of a test's tensor; integers of 2 and 4 bits take one byte each, as in the runtime."""
    values = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)
    narrow = re.fullmatch(r"(u?)int[24]", values.dtype.name)
    return values.astype(f"{narrow[1]}int8") if narrow else values


def bound(model: onnx.ModelProto, inputs: list[Any], constant: Iterable[int]) -> onnx.ModelProto:
    """The model with the inputs of the given indices as constants."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph, indices = result.graph, [index for index in constant if index < len(inputs)]
    for index in indices:
        value, name = inputs[index], graph.input[index].name
        tensor = value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value))
        graph.initializer.add().CopyFrom(tensor)
        graph.initializer[-1].name = name
    for index in reversed(indices):
        del graph.input[index]
    return result


def check(case: Any, constant: Iterable[int], folder: Path) -> None:
    bound_indices = list(constant)
    for inputs, outputs in case.data_sets:
        model = bound(case.model, inputs, bound_indices)
        (folder / "m.oct").write_bytes(compile_model(ir.from_proto(model)))
        outputs_of_octavo = octavo.load(folder / "m.oct")(
            *(array(x) for i, x in enumerate(inputs) if i not in bound_indices)
        )
        for result, expected in zip(
            outputs_of_octavo if isinstance(outputs_of_octavo, tuple) else (outputs_of_octavo,), outputs, strict=True
        ):
            reference = array(expected)
            assert (result.dtype, result.shape) == (reference.dtype, reference.shape)
            if reference.dtype.kind == "f":
                np.testing.assert_allclose(result, reference, rtol=case.rtol, atol=case.atol)
            else:
                np.testing.assert_array_equal(result, reference)


@each_isa
@pytest.mark.parametrize("name", TAKEN)
def test_with_inputs_instead_of_constants(name: str, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    check(CASES[name], CONSTANT[first_operator(name)], tmp_path)


@each_isa
@pytest.mark.parametrize("name", [name for name in TAKEN if first_operator(name) in MAPPINGS])
def test_scales_as_constants(name: str, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With constant scales, as in usual models, other kernels run."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    check(CASES[name], range(1, len(CASES[name].model.graph.input)), tmp_path)


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_unsupported_cases_are_refused_with_one_sentence(name: str) -> None:
    if name not in CASES:
        pytest.skip("this version of ONNX does not have it")
    with pytest.raises(ModelError) as caught:
        compile_model(ir.from_proto(CASES[name].model))
    assert len(str(caught.value).splitlines()) == 1


def test_the_page_lists_the_unsupported_cases() -> None:
    """docs/native.md states each reason once, after the names of its tests."""
    page = (ROOT / "docs" / "native.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in page.splitlines() if line.startswith("| `test_")]
    stated = {name: reason.strip() for names, reason in rows for name in re.findall(r"`(\w+)`", names)}
    assert stated == LEFT_OUT
