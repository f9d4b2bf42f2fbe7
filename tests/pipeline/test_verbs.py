"""The functions behind the verbs of the command line: what they return and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tests.helpers.jobs import proto, quantized, samples
from tests.helpers.models import conv_relu, run

import octavo
from octavo.affine import derive, grid, params_from_array
from octavo.errors import DataError, OptionError
from octavo.pipeline.result import QuantizationResult


@pytest.fixture(scope="module")
def result() -> QuantizationResult:
    return quantized(target="octavo")


@pytest.fixture(scope="module")
def folder(result: QuantizationResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A float model, its quantized model, and its bundle."""
    folder = tmp_path_factory.mktemp("verbs")
    onnx.save(conv_relu(), folder / "float.onnx")
    result.save(folder / "int8.onnx")
    octavo.compile(result, folder / "int8.oct")
    return folder


class TestCompile:
    def test_a_result_a_path_and_a_proto_give_the_same_bytes(self, result: QuantizationResult, folder: Path) -> None:
        content = octavo.compile(result)
        assert content == octavo.compile(folder / "int8.onnx") == octavo.compile(proto(result))
        assert (folder / "int8.oct").read_bytes() == content

    def test_an_existing_file_is_kept_unless_overwriting_is_set(self, result: QuantizationResult, folder: Path) -> None:
        with pytest.raises(OptionError, match=r"int8\.oct exists; choose another path or set `overwrite`"):
            octavo.compile(result, folder / "int8.oct")
        octavo.compile(result, folder / "int8.oct", overwrite=True)

    def test_sizes_can_be_fixed(self, result: QuantizationResult, tmp_path: Path) -> None:
        octavo.compile(result, tmp_path / "fixed.oct", batch=2)
        assert octavo.load(tmp_path / "fixed.oct").inputs[0].shape == (2, 4, 8, 8)


class TestRun:
    def test_arrays_names_and_files_give_the_same(self, folder: Path, tmp_path: Path) -> None:
        inputs = samples(3)
        np.save(tmp_path / "x.npy", inputs["x"])
        expected = octavo.load(folder / "int8.oct").run(inputs)["y"]
        for source in (inputs, inputs["x"], tmp_path / "x.npy"):
            np.testing.assert_array_equal(octavo.run(folder / "int8.oct", source, threads=2)["y"], expected)

    def test_inputs_that_do_not_fit_are_refused(self, folder: Path) -> None:
        with pytest.raises(DataError, match="the model takes no input 'z'"):
            octavo.run(folder / "int8.oct", {"z": samples()["x"]})


class TestCompare:
    def test_models_are_compared_with_the_first(self, folder: Path, result: QuantizationResult) -> None:
        same, rounded = octavo.compare(folder / "float.onnx", conv_relu(), result.model, data=samples(seed=1))
        assert same.outputs[0].error.sqnr_db > rounded.outputs[0].error.sqnr_db > 30
        reference, actual = run(conv_relu(), samples(seed=1))["y"], run(proto(result), samples(seed=1))["y"]
        noise = float(np.square((reference - actual).astype(np.float64)).sum())
        expected = 10 * np.log10(float(np.square(reference.astype(np.float64)).sum()) / noise)
        assert rounded.outputs[0].error.sqnr_db == pytest.approx(expected, abs=0.05)

    def test_one_model_is_refused(self, folder: Path) -> None:
        with pytest.raises(OptionError, match="no model to compare with the first"):
            octavo.compare(folder / "float.onnx", data=samples())


class TestBench:
    def test_models_and_bundles_are_timed_together(self, folder: Path) -> None:
        result = octavo.bench(folder / "float.onnx", folder / "int8.oct", batch_size=2, seconds=0.01, operators=True)
        assert [timing.native for timing in result.timings] == [False, True]
        assert result.timings[1].size_bytes == (folder / "int8.oct").stat().st_size
        assert all(timing.latency.median_ms > 0 for timing in result.timings)
        assert result.timings[0].operators is None
        assert [cost.kind for cost in result.timings[1].operators or ()].count("Conv") == 2
        assert (result.batch_size, result.threads, result.no_counter) == (2, None, "")

    def test_energy_is_measured_or_work_is_counted(self, folder: Path) -> None:
        result = octavo.bench(folder / "float.onnx", folder / "int8.oct", seconds=0.01, energy=True)
        for timing in result.timings:
            assert (timing.joules is None) == (timing.work is not None) == bool(result.no_counter)

    @pytest.mark.parametrize(
        ("names", "options", "message"),
        [((), {}, "no model to time"), (("float.onnx",), {"operators": True}, "`operators` needs a bundle")],
        ids=["none", "no bundle"],
    )
    def test_what_cannot_be_timed_is_refused(
        self, folder: Path, names: tuple[str, ...], options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(OptionError, match=message):
            octavo.bench(*(folder / name for name in names), **options)


class TestExplain:
    def test_a_range_is_derived_step_by_step(self) -> None:
        result = octavo.explain((-1.0, 3.0), dtype="uint8", values=[0.5])
        expected = derive(-1.0, 3.0, grid("uint8"), values=[0.5])
        assert (result.derivation.steps, result.derivation.rows) == (expected.steps, expected.rows)
        assert (result.channels, result.axis) == (None, None)

    def test_weights_come_from_an_array_or_a_file(self, folder: Path) -> None:
        (weights,) = [onnx.numpy_helper.to_array(t) for t in conv_relu().graph.initializer if t.name == "w2"]
        by_array = octavo.explain(weights=weights, axis=-4, symmetric=True)
        by_file = octavo.explain(weights=folder / "float.onnx", tensor="w2", axis=0, symmetric=True)
        assert by_array.derivation.steps == by_file.derivation.steps
        assert by_array.axis == by_file.axis == 0
        expected = params_from_array(weights, grid("int8"), symmetric=True, axis=0)
        assert by_array.channels is not None
        np.testing.assert_array_equal(by_array.channels.scale, expected.scale)

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({}, OptionError, "give either `bounds` or `weights`"),
            ({"bounds": (0.0, 1.0), "axis": 0}, OptionError, "`axis` needs `weights`"),
            ({"weights": np.array([np.nan], np.float32)}, DataError, "NaN or infinity"),
        ],
        ids=["nothing", "axis of a range", "not finite"],
    )
    def test_what_cannot_be_derived_is_refused(
        self, options: dict[str, Any], error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            octavo.explain(**options)


def test_inspect_takes_a_name_and_a_model_in_memory(folder: Path) -> None:
    inspection = octavo.inspect(conv_relu(), "octavo")
    assert inspection == octavo.inspect(folder / "float.onnx", octavo.targets.target("octavo"))
    assert inspection.integer_operators == 3
