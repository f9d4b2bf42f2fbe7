"""Observation inside the model: the operator observes the same values of any tensor as the collector."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers.calibration import SIZES, floats, inputs, prepared, values
from tests.helpers.models import PATTERNS, build, node

from octavo.calibrate.collector import HISTOGRAM_VALUES, collect
from octavo.calibrate.graph_observation import GraphObservation, add_sketches
from octavo.calibrate.observation import Observation
from octavo.calibrate.output_observation import OutputObservation
from octavo.data import Batch
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, ModelError
from octavo.native import kernels, operator_library
from octavo.ranges import RangeSketch

SPECIAL = [np.nan, np.inf, -np.inf, -0.0, 3e38, 1e-45]


def negated(shape: list[Any], kind: int = ir.DataType.FLOAT) -> ir.Model:
    """A model y = -x of an element type."""
    model = prepared(build([node("Neg", ["x"], "y")], {"x": shape}, {"y": shape}))
    for value in (*model.graph.inputs, *model.graph.node(0).outputs):
        value.dtype = ir.DataType(kind)
    return model


def observed(model: ir.Model, *batches: np.ndarray, name: str = "y") -> RangeSketch:
    """The sketch of a tensor after running these batches of the input x."""
    observation, sketch = GraphObservation(model, [name], 1), RangeSketch()
    observation.start({name: sketch})
    for batch in batches:
        observation.observe(Batch({"x": batch}, {}, 0))
    observation.settle()
    return sketch


ANY = negated(["N", "M"])
DEEP = negated(["N", "T", "M"])


class TestValues:
    @settings(max_examples=60)
    @given(st.lists(st.integers(1, 9), min_size=1, max_size=3), SIZES)
    def test_it_observes_the_same_values_as_the_collector(self, batches: list[int], size: int) -> None:
        arrays = [values(rows, size) for rows in batches]
        expected = RangeSketch()
        for array in arrays:
            collect(expected, -array, len(array))
        assert observed(ANY, *arrays).to_bytes() == expected.to_bytes()

    @settings(max_examples=40)
    @given(st.integers(1, 4), SIZES, st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(SPECIAL)), max_size=5))
    def test_special_values_are_observed_as_by_the_collector(
        self, rows: int, size: int, special: list[tuple[int, float]]
    ) -> None:
        array, expected = values(rows, size), RangeSketch()
        for index, value in special:
            array.reshape(-1)[index % array.size] = value
        collect(expected, -array, rows)
        assert observed(ANY, array).to_bytes() == expected.to_bytes()

    def test_tokens_and_samples_along_other_axes(self) -> None:
        array, expected = values(6, 11, 130), RangeSketch()
        collect(expected, -array, 6)
        assert observed(DEEP, array).to_bytes() == expected.to_bytes()

    def test_inputs_are_observed(self) -> None:
        array, expected = values(5, 700), RangeSketch()
        collect(expected, array, 5)
        assert observed(ANY, array, name="x").to_bytes() == expected.to_bytes()

    @pytest.mark.parametrize("kind", [np.float16, np.float64])
    def test_other_float_types_are_converted_to_float32(self, kind: type) -> None:
        array = values(3, 900).astype(kind)
        if kind is np.float64:
            array[1, 5] = 1e300
        model = negated(["N", "M"], ir.DataType.from_numpy(np.dtype(kind)))
        expected = RangeSketch()
        collect(expected, -array, 3)
        sketch = observed(model, array)
        assert sketch.to_bytes() == expected.to_bytes()
        assert sketch.inf_count == (kind is np.float64)

    def test_scalars_and_tensors_of_no_sample(self) -> None:
        nodes = [node("ReduceSum", ["x"], "s", keepdims=0), node("Mul", ["x", "s"], "y")]
        model = prepared(build(nodes, {"x": ["N", 5]}, {"y": ["N", 5]}))
        array = np.ones((3, 5), np.float32)
        expected = RangeSketch()
        collect(expected, np.float32(15).reshape(()), 3)
        assert observed(model, array, name="s").to_bytes() == expected.to_bytes()

    @settings(max_examples=20)
    @given(st.integers(1, 11), st.sampled_from([3, 600]))
    def test_padding_to_a_fixed_batch_is_excluded(self, rows: int, size: int) -> None:
        array = values(rows, size)
        fixed = observed(negated([4, size]), array)
        assert fixed.to_bytes() == observed(ANY, array).to_bytes()

    @pytest.mark.parametrize("name", sorted(PATTERNS))
    def test_all_tensors_of_a_model_are_observed_as_when_they_are_outputs(self, name: str) -> None:
        model = prepared(PATTERNS[name]())
        batch, names = Batch(inputs(model, 8), {}, 0), floats(model)
        serialized_sketches = []
        for kind in (GraphObservation, OutputObservation):
            observation: Observation = kind(model, names, 1)
            sketches = {tensor: RangeSketch() for tensor in names}
            observation.start(sketches)
            observation.observe(batch)
            observation.settle()
            serialized_sketches.append({tensor: sketch.to_bytes() for tensor, sketch in sketches.items()})
        assert serialized_sketches[0] == serialized_sketches[1]


class TestStart:
    def test_before_the_start_only_sizes_are_reported(self) -> None:
        observation, sketch = GraphObservation(ANY, ["x", "y"], 1), RangeSketch()
        assert observation.nbytes(Batch({"x": values(2, 30)}, {}, 0)) == 2 * 2 * 30 * 4
        observation.start({"x": RangeSketch(), "y": sketch})
        observation.settle()
        assert sketch.to_bytes() == RangeSketch().to_bytes()

    def test_a_sketch_continues_from_its_state(self) -> None:
        one, two = values(4, 50), values(3, 50) * 9
        observation, sketch = GraphObservation(ANY, ["x"], 1), RangeSketch()
        sketch.update(one)
        observation.start({"x": sketch})
        observation.observe(Batch({"x": two}, {}, 0))
        for _ in range(2):
            observation.settle()
        expected = RangeSketch()
        expected.update(one)
        expected.update(two)
        assert sketch.to_bytes() == expected.to_bytes()

    def test_a_sketch_outlives_its_observation(self) -> None:
        sketch = observed(ANY, values(4, 50))
        gc.collect()
        sketch.update(values(2, 50))
        assert sketch.count == 300


class TestRefusals:
    def test_an_unknown_tensor_is_refused(self) -> None:
        with pytest.raises(ModelError, match="no tensor 'z'"):
            GraphObservation(ANY, ["x", "z"], 1)

    def test_destroyed_sketches_are_refused(self) -> None:
        number = kernels().sketches(1, HISTOGRAM_VALUES).publish()
        gc.collect()
        with pytest.raises(ModelError, match="these range sketches do not exist"):
            Session(ANY, edit=lambda model: add_sketches(model, ["y"], number), operators=operator_library())

    @pytest.mark.parametrize(
        ("samples", "reason"),
        [
            ([1], "samples are not two numbers"),
            ([1, 2, 3], "samples are not two numbers"),
            ([-1, 2], "fewer samples ran than count"),
            ([3, 2], "fewer samples ran than count"),
        ],
    )
    def test_invalid_sample_counts_are_refused(self, samples: list[int], reason: str) -> None:
        sketches = kernels().sketches(1, HISTOGRAM_VALUES)
        number = sketches.publish()

        def edit(model: ir.Model) -> None:
            add_sketches(model, ["y"], number)
            model.graph.inputs[-1].shape = ir.Shape([len(samples)])

        session = Session(ANY, edit=edit, operators=operator_library())
        with pytest.raises(DataError, match=reason):
            session.run({"x": values(2, 3), "octavo/samples": np.array(samples, np.int64)})

    def test_invalid_histograms_and_tensors_are_refused(self) -> None:
        sketches = kernels().sketches(1, HISTOGRAM_VALUES)
        with pytest.raises(ValueError, match="wrong size"):
            sketches.start(0, np.zeros(5, np.int64), (0.0, 0.0, 0, 0, 0))
        with pytest.raises(IndexError):
            sketches.state(1)
        with pytest.raises(ValueError, match="histogram"):
            kernels().sketches(1, 0)


def test_the_model_itself_is_not_changed() -> None:
    before = ir.to_proto(ANY).SerializeToString()
    GraphObservation(ANY, ["x", "y"], 1)
    assert ir.to_proto(ANY).SerializeToString() == before
