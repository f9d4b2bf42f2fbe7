"""Inspection: its predictions against the result of quantization."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from tests.helpers.jobs import quantized
from tests.helpers.models import PATTERNS, conv_clip, conv_relu, embedding, feeds, residual, shared_weights

from octavo.errors import ModelError, OptionError
from octavo.pipeline.inspection import Inspection, inspect
from octavo.targets import target

Inspect = Callable[..., Inspection]


@pytest.fixture
def inspected(tmp_path: Path) -> Inspect:
    """Inspects a model as a file."""

    def run(model: onnx.ModelProto, to: str = "x86-vnni", exclude: tuple[str, ...] = ()) -> Inspection:
        onnx.save(model, tmp_path / "model.onnx")
        return inspect(tmp_path / "model.onnx", target(to), exclude)

    return run


@pytest.mark.parametrize("to", ["x86-vnni", "nvidia-tensorrt"])
@pytest.mark.parametrize("pattern", [name for name in PATTERNS if name != "if_subgraph"])  # its only input is a flag
def test_quantization_agrees_with_the_inspection(inspected: Inspect, pattern: str, to: str) -> None:
    model = PATTERNS[pattern]()
    inspection = inspected(model, to)
    try:
        result = quantized(model, [feeds(model, seed) for seed in range(2)], to)
    except ModelError:
        assert not any(row.bound is not None for row in inspection.operators)
        return
    floats = {row.name: row.why for row in inspection.operators if not row.integer}
    integers = {row.name for row in inspection.operators if row.integer}
    assert integers == {name for layer in result.layers for name in (layer.name, *layer.fused)}
    assert {left.name: left.why for left in result.left_float}.items() <= floats.items()
    assert inspection.integer_operators == len(integers)


@pytest.mark.parametrize(("to", "largest_input"), [("x86-vnni", 255), ("nvidia-tensorrt", 128)])
def test_the_bound_is_the_largest_weight_sum_times_the_largest_input(
    inspected: Inspect, to: str, largest_input: int
) -> None:
    weights = numpy_helper.to_array(conv_clip().graph.initializer[0]).reshape(8, -1).astype(np.float64)
    scale = (np.abs(weights).max(axis=1, keepdims=True) / 127).astype(np.float32)
    sums = np.abs(np.rint(weights / scale)).sum(axis=1)
    (bound,) = [row.bound for row in inspected(conv_clip(), to).operators if row.bound is not None]
    assert bound == sums.max() * largest_input


@pytest.mark.parametrize("to", ["x86-vnni", "nvidia-tensorrt"])
def test_no_data_exceed_the_bound(inspected: Inspect, to: str) -> None:
    bounds = {row.name: row.bound for row in inspected(conv_clip(), to).operators}
    result = quantized(conv_clip(), [feeds(conv_clip(), seed) for seed in range(2)], to)
    assert result.proofs
    assert all(proof.bound <= (bounds[proof.layer] or 0) for proof in result.proofs)


@pytest.mark.parametrize("model", [conv_relu, embedding, shared_weights])
def test_weights_take_a_quarter_and_shared_weights_count_once(
    inspected: Inspect, model: Callable[[], onnx.ModelProto]
) -> None:
    inspection = inspected(model())
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model().graph.initializer}
    assert inspection.float_bytes == sum(array.nbytes for array in arrays.values())
    weights = sum(array.size for array in arrays.values() if array.ndim > 1)
    assert inspection.integer_bytes == inspection.float_bytes - 3 * weights


def test_an_operator_has_its_grids_or_the_reason(inspected: Inspect) -> None:
    rows = {row.name: row for row in inspected(residual(), exclude=("conv_d",)).operators}
    assert rows["conv_c"].becomes == "int8[-127,127]·uint8"
    assert (rows["relu_r"].becomes, rows["relu_r"].why) == ("fused", "into Conv 'conv_c'")
    assert (rows["conv_d"].becomes, rows["conv_d"].why) == ("float", "excluded by 'conv_d'")
    assert "its input 'd' is float (from Conv 'conv_d')" in rows["add_s"].why


def test_inputs_outputs_and_opset_are_those_of_the_file(inspected: Inspect) -> None:
    inspection = inspected(conv_relu(opset=11))
    assert inspection.opset == 11
    assert [(spec.name, spec.dtype, spec.shape) for spec in inspection.inputs] == [("x", np.float32, ("N", 4, 8, 8))]
    assert [(spec.name, spec.dtype, spec.shape) for spec in inspection.outputs] == [("y", np.float32, ("N", 6, 8, 8))]


def test_a_missing_file_or_a_pattern_without_a_match_is_refused(inspected: Inspect, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        inspect(tmp_path / "none.onnx", target("x86-vnni"))
    with pytest.raises(OptionError, match="'conv_z' matches no node name"):
        inspected(conv_relu(), exclude=("conv_z",))
