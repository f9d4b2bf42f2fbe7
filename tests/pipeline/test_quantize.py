"""`octavo.quantize`: the models and samples it accepts, its options, progress, results and warnings."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.jobs import TARGET, graph_bytes, proto, quantized, samples
from tests.helpers.models import Arrays, build, conv_relu, layer_norm, node, random, run

import octavo
from octavo.errors import DataError, ModelError, OptionError, TargetError
from octavo.targets import target


@pytest.fixture(scope="module")
def default() -> bytes:
    """The quantized graph of `conv_relu` with the default samples."""
    return graph_bytes(quantized())


class Reader:
    """Samples as ONNX Runtime's quantizer reads them."""

    def __init__(self) -> None:
        self.rewind()

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._rows, None)

    def rewind(self) -> None:
        self._rows = iter({"x": row[None]} for row in samples()["x"])


def rows() -> Iterator[np.ndarray]:
    yield from samples()["x"]


class TestModels:
    @pytest.mark.parametrize("options", [{"example_inputs": (1,)}, {"dynamic_shapes": ()}], ids=["inputs", "shapes"])
    def test_arguments_for_modules_are_refused_with_an_onnx_model(self, options: dict[str, Any]) -> None:
        with pytest.raises(OptionError, match="are for PyTorch modules; leave them out"):
            quantized(**options)

    @pytest.mark.parametrize("count", [1, 3, 8])
    def test_a_model_with_a_fixed_batch_is_timed_and_compared_at_that_batch(self, count: int) -> None:
        nodes = [node("Conv", ["x", "w"], "y")]
        model = build(nodes, {"x": [3, 4, 8, 8]}, {"y": [3, 4, 8, 8]}, {"w": random(4, 4, 1, 1)})
        result = quantized(model, samples(count), verify=True, evaluate=samples(count, 1))
        assert result.latency_ms is not None
        assert result.latency_batch == 3
        assert result.calibration_samples == count

    @pytest.mark.parametrize("size", [1, 5])
    def test_other_models_are_timed_at_batch_1(self, size: int) -> None:
        batches = [samples(size, seed) for seed in range(3)]
        result = quantized(conv_relu(), batches, verify=True)
        assert result.latency_ms is not None
        assert result.latency_batch == 1

    def test_a_path_a_proto_and_a_model_give_the_same(self, tmp_path: Path, default: bytes) -> None:
        onnx.save(conv_relu(), tmp_path / "model.onnx")
        for model in (tmp_path / "model.onnx", str(tmp_path / "model.onnx"), ir.from_proto(conv_relu())):
            assert graph_bytes(quantized(model)) == default

    def test_model_and_samples_are_not_changed(self) -> None:
        model, array = ir.from_proto(conv_relu()), samples()
        before = ir.to_proto(model).SerializeToString(deterministic=True)
        message = conv_relu()
        quantized(model, array, verify=True, target="octavo", evaluate=array)
        quantized(message, array)
        assert ir.to_proto(model).SerializeToString(deterministic=True) == before
        assert message == conv_relu()
        np.testing.assert_array_equal(array["x"], samples()["x"])

    def test_a_quantized_model_is_refused(self) -> None:
        with pytest.raises(ModelError, match=r"quantized already \(QuantizeLinear"):
            quantized(proto(quantized()))

    def test_other_types_are_refused(self) -> None:
        with pytest.raises(ModelError, match="a model of type int is not supported; give the path of an ONNX file"):
            quantized(3)

    def test_a_model_with_nothing_to_quantize_is_refused_with_the_reason(self) -> None:
        model = build([node("Softmax", ["x"], "y")], {"x": ["N", 4]}, {"y": ["N", 4]})
        with pytest.raises(ModelError, match=r"no operator .* on x86-vnni .*Softmax 'softmax_y'.*exponential"):
            quantized(model, np.ones((2, 4), np.float32))

    def test_the_result_is_close_to_the_float_model(self) -> None:
        exact, rounded = run(conv_relu(), samples(seed=1))["y"], run(proto(quantized()), samples(seed=1))["y"]
        noise, signal = np.square(exact - rounded).sum(), np.square(exact).sum()
        assert 10 * np.log10(signal / noise) > 30


class TestCalibration:
    @pytest.mark.parametrize(
        "data",
        [
            lambda: samples()["x"],
            lambda: {"x": samples()["x"].astype(np.float64)},
            lambda: list(samples()["x"]),
            lambda: [{"x": samples()["x"][:3]}, {"x": samples()["x"][3:]}],
            lambda: [(row, 7) for row in samples()["x"]],
            rows,
            Reader,
        ],
        ids=["array", "dict", "list", "batches", "labelled tuples", "generator", "CalibrationDataReader"],
    )
    def test_the_form_of_the_samples_does_not_matter(self, default: bytes, data: Any) -> None:
        result = quantized(calibration=data())
        assert graph_bytes(result) == default
        assert result.calibration_samples == 8

    def test_a_data_loader_gives_the_same(self, default: bytes) -> None:
        torch = pytest.importorskip("torch")
        utils = torch.utils.data
        data = utils.TensorDataset(torch.from_numpy(samples()["x"]), torch.arange(8))
        assert graph_bytes(quantized(calibration=utils.DataLoader(data, batch_size=3))) == default

    @pytest.mark.parametrize("kind", ["npz", "npy"])
    def test_a_file_gives_the_same(self, tmp_path: Path, default: bytes, kind: str) -> None:
        path = tmp_path / f"calib.{kind}"
        np.savez(path, **samples()) if kind == "npz" else np.save(path, samples()["x"])
        assert graph_bytes(quantized(calibration=path)) == default

    @pytest.mark.parametrize("batch_size", [1, 3, 100])
    def test_the_batch_size_does_not_matter(self, default: bytes, batch_size: int) -> None:
        assert graph_bytes(quantized(batch_size=batch_size)) == default

    def test_a_limit_is_the_same_as_fewer_samples(self, default: bytes) -> None:
        limited = quantized(limit=3)
        assert limited.calibration_samples == 3
        assert graph_bytes(limited) == graph_bytes(quantized(calibration=samples()["x"][:3])) != default

    def test_stored_integers_are_preprocessed(self) -> None:
        stored = np.random.default_rng(0).integers(0, 256, (8, 4, 8, 8)).astype(np.uint8)
        real = stored.astype(np.float32) * np.float32(1 / 128) + np.float32(-1)
        with pytest.raises(DataError, match="holds uint8 but the model takes float32"):
            quantized(calibration=stored)
        result = quantized(calibration=stored, preprocess=octavo.Preprocess(scale=1 / 128, offset=-1.0))
        assert graph_bytes(result) == graph_bytes(quantized(calibration=real))

    def test_held_out_samples_are_preprocessed_too(self) -> None:
        stored = np.random.default_rng(0).integers(0, 256, (8, 4, 8, 8)).astype(np.uint8)
        steps = octavo.Preprocess(scale=1 / 128, offset=-1.0)
        result = quantized(calibration=stored[:4], evaluate=octavo.evaluation.agreement(stored[4:]), preprocess=steps)
        assert result.metric is not None
        assert result.metric.samples == 4


class TestOptions:
    def test_one_estimator_applies_to_every_tensor(self) -> None:
        result = quantized(estimator="minmax")
        assert {decision["estimator"] for decision in result.recipe.tensors.values()} == {"minmax"}
        first = result.layers[0].inputs[0]
        low, high = samples()["x"].min(), samples()["x"].max()
        assert first.scale == [pytest.approx((float(high) - float(low)) / 255, rel=1e-6)]
        assert first.zero_point == [round(-low / first.scale[0])]

    def test_an_unknown_estimator_is_refused(self) -> None:
        with pytest.raises(OptionError, match="no estimator 'best'"):
            quantized(estimator="best")

    @pytest.mark.parametrize("pattern", ["conv_y", "conv_[yz]"])
    def test_an_excluded_node_stays_in_float(self, pattern: str) -> None:
        result = quantized(exclude=[pattern])
        assert [(left.name, left.op, left.why) for left in result.left_float] == [
            ("conv_y", "Conv", f"excluded by '{pattern}'")
        ]
        (conv,) = [node for node in proto(result).graph.node if node.name == "conv_y"]
        initializers = {tensor.name: numpy_helper.to_array(tensor) for tensor in proto(result).graph.initializer}
        (weights,) = [t for t in conv_relu().graph.initializer if t.name == "w2"]
        np.testing.assert_array_equal(initializers[conv.input[1]], numpy_helper.to_array(weights))

    def test_an_exclusion_that_matches_nothing_is_refused(self) -> None:
        with pytest.raises(OptionError, match="'conv_z' matches no node name"):
            quantized(exclude=["conv_z"])

    def test_a_target_may_be_a_name_a_file_or_an_object(self, tmp_path: Path, default: bytes) -> None:
        text = (Path(octavo.__file__).parent / "targets" / f"{TARGET}.toml").read_text(encoding="utf-8")
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        assert graph_bytes(quantized(target=str(tmp_path / "mine.toml"))) == default
        assert graph_bytes(quantized(target=target(TARGET))) == default  # type: ignore[arg-type]
        with pytest.raises(TargetError, match="mips"):
            quantized(target="mips")

    def test_without_verification_nothing_is_timed_or_compared(self) -> None:
        result = quantized(verify=False)
        assert result.latency_ms is None
        assert result.diagnosis == []
        assert "compare layers" not in result.seconds

    def test_verification_compares_layers_and_times_both_models(self) -> None:
        result = quantized(verify=True)
        assert result.latency_ms is not None
        assert set(result.latency_ms) == {"float", "quantized"}
        assert all(value > 0 for value in result.latency_ms.values())
        assert {layer.layer for layer in result.diagnosis} <= {"conv_c", "conv_y"}
        assert result.diagnosis
        assert set(result.seconds) == {"prepare", "calibrate", "quantize", "compare layers", "time", "time natively"}

    def test_a_target_without_onnx_runtime_is_not_timed(self) -> None:
        result = quantized(target="octavo", verify=True)
        assert result.latency_ms is None
        assert result.diagnosis

    def test_the_checkpoint_is_removed_at_the_end(self, tmp_path: Path, default: bytes) -> None:
        assert graph_bytes(quantized(checkpoint=tmp_path / "state")) == default
        assert list(tmp_path.iterdir()) == []


class Recorder:
    """Records progress events."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps: list[int] = []
        self.open = False

    def start(self, stage: str, total: int | None = None) -> None:
        assert not self.open, "a stage starts inside another"
        self.open = True
        self.stages.append((stage, total))
        self.steps.append(0)

    def advance(self, steps: int = 1) -> None:
        assert self.open
        self.steps[-1] += steps

    def done(self) -> None:
        assert self.open
        self.open = False


class TestProgress:
    def test_every_stage_is_reported_in_order_and_completes(self) -> None:
        recorder = Recorder()
        quantized(progress=recorder, evaluate=samples(5, seed=1), verify=True)
        assert [stage for stage, _ in recorder.stages] == ["calibrate", "evaluate", "compare layers", "time"]
        assert recorder.stages[:3] == [("calibrate", 8), ("evaluate", 5), ("compare layers", 5)]
        assert recorder.steps[:3] == [8, 5, 5]
        assert recorder.steps[3] >= 10
        assert not recorder.open

    def test_a_stage_that_reads_fewer_samples_has_a_smaller_total(self) -> None:
        recorder = Recorder()
        quantized(calibration=samples(200), progress=recorder, verify=True, target="octavo")
        assert recorder.stages == [("calibrate", 200), ("compare layers", 128)]
        assert recorder.steps == [200, 128]

    def test_a_generator_has_no_total(self) -> None:
        recorder = Recorder()
        quantized(calibration=rows(), progress=recorder)
        assert (recorder.stages, recorder.steps) == ([("calibrate", None)], [8])


class TestRepeatability:
    def test_twice_gives_the_same_bytes(self, tmp_path: Path) -> None:
        paths = [quantized(layer_norm(), feeds()).save(tmp_path / f"{i}.onnx") for i in range(2)]
        assert paths[0].read_bytes() == paths[1].read_bytes()

    @pytest.mark.parametrize("hash_seed", ["1", "271828"])
    def test_another_process_gives_the_same_bytes(self, tmp_path: Path, hash_seed: str) -> None:
        onnx.save(conv_relu(), tmp_path / "model.onnx")
        np.savez(tmp_path / "calib.npz", **samples())
        result = quantized(tmp_path / "model.onnx", tmp_path / "calib.npz")
        saved = result.save(tmp_path / "here.onnx")
        result.recipe.write(tmp_path / "recipe.yaml")
        code = (
            "import octavo; octavo.quantize('model.onnx', 'calib.npz', recipe='recipe.yaml', verify=False)"
            ".save('there.onnx')"
        )
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)
        assert (tmp_path / "there.onnx").read_bytes() == saved.read_bytes()


def feeds() -> Arrays:
    return {"x": np.random.default_rng(0).normal(size=(6, 4, 16)).astype(np.float32)}


WIDE = 70_000  # the sum of 70,000 products of 127 and 255 overflows int32


def wide(second: bool = True) -> onnx.ModelProto:
    """A MatMul too wide for an int32 accumulator, alone or followed by a narrow one."""
    nodes = [node("MatMul", ["x", "w"], "m" if second else "y")]
    nodes += [node("MatMul", ["m", "v"], "y")] if second else []
    signs = np.where(np.random.default_rng(0).random((WIDE, 4)) < 0.5, -1, 1)
    signs[:, 0] = 1
    weights = {"w": (signs / WIDE).astype(np.float32), "v": np.eye(4, dtype=np.float32)}
    return build(nodes, {"x": ["N", WIDE]}, {"y": ["N", 4]}, weights if second else {"w": weights["w"]})


class TestOverflow:
    def test_a_layer_that_could_overflow_is_left_in_float_with_its_bound(self) -> None:
        result = quantized(wide(), np.random.default_rng(0).random((4, WIDE), np.float32))
        assert [left.name for left in result.left_float] == ["matmul_m"]
        assert f"could reach {WIDE * 127 * 255}, beyond 32 bits" in result.left_float[0].why
        assert [layer.name for layer in result.layers] == ["matmul_y"]
        assert [proof.layer for proof in result.proofs] == ["matmul_y"]
        (matmul,) = [node for node in proto(result).graph.node if node.name == "matmul_m"]
        initializers = {tensor.name: tensor for tensor in proto(result).graph.initializer}
        assert initializers[matmul.input[1]].data_type == TensorProto.FLOAT

    def test_its_recipe_gives_the_same_model(self) -> None:
        data = np.random.default_rng(0).random((4, WIDE), np.float32)
        first = quantized(wide(), data)
        assert graph_bytes(quantized(wide(), data, recipe=first.recipe)) == graph_bytes(first)

    def test_a_generator_is_not_read_twice(self) -> None:
        data = np.random.default_rng(0).random((4, WIDE), np.float32)
        result = quantized(wide(), iter(list(data)))
        assert [left.name for left in result.left_float] == ["matmul_m"]
        assert graph_bytes(result) == graph_bytes(quantized(wide(), data))

    def test_without_another_layer_the_bound_is_the_reason(self) -> None:
        with pytest.raises(ModelError, match=r"MatMul 'matmul_y': its accumulator could reach \d+, beyond 32 bits"):
            quantized(wide(second=False), np.random.default_rng(0).random((4, WIDE), np.float32))


class TestWarnings:
    def test_samples_that_can_be_read_only_once_are_not_compared(self) -> None:
        result = quantized(calibration=rows(), verify=True)
        assert result.latency_ms is None
        assert result.diagnosis == []
        assert any("can be read only once" in warning for warning in result.warnings)

    def test_held_out_samples_are_compared_where_calibration_can_be_read_once(self) -> None:
        result = quantized(calibration=rows(), evaluate=samples(seed=1), verify=True, target="octavo")
        assert result.diagnosis
        assert not any("only once" in warning for warning in result.warnings)

    def test_evaluation_on_calibration_samples_gives_a_warning(self) -> None:
        result = quantized(evaluate=samples())
        assert any("calibrat" in warning and "8" in warning for warning in result.warnings)
        assert not any("8 of" in warning for warning in quantized(evaluate=samples(seed=1)).warnings)

    def test_a_tensor_that_is_not_finite_gives_one_warning(self) -> None:
        model = build(
            [node("MatMul", ["x", "w"], "m"), node("Log", ["m"], "l"), node("MatMul", ["l", "w"], "y")],
            {"x": ["N", 2]},
            {"y": ["N", 2]},
            {"w": np.eye(2, dtype=np.float32)},
        )
        data = np.array([[1.0, 2.0], [0.0, 3.0], [-1.0, 4.0]], np.float32)
        warnings = [warning for warning in quantized(model, data).warnings if "NaN or infinite" in warning]
        assert len(warnings) == 1
        assert warnings[0].startswith("tensor 'l' is NaN or infinite for 2 of 6 values")

    def test_a_slower_model_gives_a_warning(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from octavo.measure import Latency
        from octavo.pipeline import measure

        latencies = [Latency(1.0, 0.9, 1.1, 10), Latency(2.0, 1.8, 2.2, 10)]
        monkeypatch.setattr(measure, "latencies", lambda *args, **options: latencies)
        slower = quantized(verify=True)
        assert slower.latency_ms == {"float": 1.0, "quantized": 2.0}
        assert any("INT8 is slower than FP32 on this machine (2 against 1 ms" in warning for warning in slower.warnings)
        assert slower.latency_spread_ms == {"float": [0.9, 1.1], "quantized": [1.8, 2.2]}
        assert slower.latency_doubt == ""
        latencies[1] = Latency(1.2, 1.05, 1.3, 10)
        assert not any("slower" in warning for warning in quantized(verify=True).warnings)
        latencies[:] = [Latency(1.0, 0.9, 1.1, 10, 50.0), Latency(2.0, 1.8, 2.2, 10, 50.0)]
        busy = quantized(verify=True)
        assert not any(warning.startswith("INT8 is slower") for warning in busy.warnings)
        assert any("cannot tell whether INT8 is slower than FP32 here" in warning for warning in busy.warnings)
        assert busy.latency_doubt.startswith("other processes took 50.0 of")
        assert "cannot tell the speeds apart here" in repr(busy)


def test_bare_evaluation_data_with_labels_are_judged_by_top1() -> None:
    model = build(
        [node("Conv", ["x", "w"], "c"), node("Flatten", ["c"], "y")],
        {"x": ["N", 4, 8, 8]},
        {"y": ["N", 10]},
        {"w": np.random.default_rng(0).normal(size=(10, 4, 8, 8)).astype(np.float32)},
    )
    held_out = samples(50, seed=1)
    labels = run(model, held_out)["y"].argmax(1)
    labels[:5] = (labels[:5] + 1) % 10
    result = quantized(model, evaluate={**held_out, "labels": labels})
    assert result.metric is not None
    assert (result.metric.name, result.metric.float_value) == ("top1", 90.0)
    rounded = run(proto(result), held_out)["y"].argmax(1)
    assert result.metric.quantized_value == pytest.approx(100 * (rounded == labels).mean())
    assert result.metric.drop == pytest.approx(90.0 - result.metric.quantized_value)


def test_inputs_and_outputs_keep_names_types_and_symbols() -> None:
    before, after = conv_relu().graph, proto(quantized()).graph
    assert [helper.printable_value_info(v) for v in after.input] == [
        helper.printable_value_info(v) for v in before.input
    ]
    assert [helper.printable_value_info(v) for v in after.output] == [
        helper.printable_value_info(v) for v in before.output
    ]
