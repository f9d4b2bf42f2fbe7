"""`octavo quantize` on the digits example: its outputs and each of its options."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from PIL import Image
from tests.helpers.command_line import DIGITS, UNTIMED, Octavo, lay_out, process
from tests.helpers.models.unusual_ranges import branch_samples, quiet_branch

from octavo import targets
from octavo.cli import run
from octavo.engines import onnxruntime as engine
from octavo.engines.onnxruntime import Session
from octavo.pipeline import measure

METRIC = {
    "name",
    "unit",
    "float",
    "quantized",
    "drop",
    "drop_ci95",
    "sqnr_db",
    "method",
    "samples",
    "groups",
    "output",
    "figure",
    "why",
    "outputs",
} | {
    "agreement",
    "changed",
}
LAYER = {
    *("name", "op", "grid", "scale", "zero_point", "estimator", "sqnr_db", "cosine"),
    *("output", "inputs", "weights", "fused", "share", "native_ms"),
}
TENSOR = {"tensor", "grid", "scale", "zero_point", "axis", "estimator"}
RESULT = {
    *(
        "target",
        "metric",
        "size_bytes",
        "latency_ms",
        "latency_batch",
        "steps",
        "verdict",
        "seconds",
        "peak_rss_bytes",
        "calibration_samples",
        "layers",
    ),
    *("left_float", "proofs", "diagnosis", "recipe", "versions", "sha256", "warnings"),
    *("tensors", "operators", "command", "native", "latency_spread_ms", "latency_doubt"),
    "refinements",
}


def read(path: str | Path = "out.json") -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return fields


def metadata(path: str | Path = "out.onnx") -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def integers(path: str | Path = "out.onnx") -> bytes:
    """The model without its provenance: the same for the same parameters, whatever file the samples came from."""
    model = onnx.load(path)
    del model.metadata_props[:]
    return model.SerializeToString(deterministic=True)


def sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def samples(name: str | Path = "calib.npz") -> dict[str, np.ndarray]:
    with np.load(name) as file:
        return dict(file)


def accuracy(model: str | Path, data: Mapping[str, np.ndarray]) -> float:
    logits = Session(model).run({"image": data["image"]})["logits"]
    return 100.0 * float((logits.argmax(1) == data["labels"]).mean())


@dataclass
class Finished:
    """A run of the command line that several tests read: its folder and its output."""

    folder: Path
    out: str

    @property
    def model(self) -> Path:
        return self.folder / "out.onnx"

    @property
    def result(self) -> dict[str, Any]:
        return read(self.folder / "out.json")


def finished(folder: Path, *options: str) -> Finished:
    lay_out(folder)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
        patch.setenv("COLUMNS", "200")
        timed = measure.latencies
        patch.setattr(measure, "latencies", lambda *args, **arguments: timed(*args, **{**arguments, "seconds": 0.05}))
        inputs = (f"{folder}/digits.onnx", "-c", f"{folder}/calib.npz", "--threads", "1")
        assert run(["quantize", *inputs, "-o", f"{folder}/out.onnx", "--json", f"{folder}/out.json", *options]) == 0
    return Finished(folder, out.getvalue())


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Quantized for x86-vnni, evaluated, and timed briefly."""
    return finished(tmp_path_factory.mktemp("evaluated"), "--target", "x86-vnni", "-e", f"{DIGITS}/eval.npz")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The result of the fixture `quantize` without further options."""
    return finished(tmp_path_factory.mktemp("plain"), "--target", UNTIMED)


def test_json_has_the_documented_fields(evaluated: Finished) -> None:
    result = evaluated.result
    assert set(result) == RESULT
    assert set(result["metric"]) == METRIC
    assert set(result["size_bytes"]) == set(result["latency_ms"]) == {"float", "quantized"}
    assert all(set(layer) == LAYER for layer in result["layers"])
    tensors = [tensor for layer in result["layers"] for tensor in (*layer["inputs"], *layer["weights"])]
    tensors += [layer["output"] for layer in result["layers"] if layer["output"]]
    assert all(set(tensor) == TENSOR for tensor in tensors)
    assert all(set(left) == {"name", "op", "why"} for left in result["left_float"])
    assert all(set(proof) == {"layer", "op", "bound", "terms", "holds"} for proof in result["proofs"])
    assert result["target"] == "x86-vnni"
    assert result["calibration_samples"] == 60
    # On a busy machine the latencies are doubted too.
    # What was timed depends on the machine; everything else is the same everywhere.
    assert all("VNNI" in each or "INT8 is slower than FP32" in each for each in result["warnings"])


def test_json_figures_can_be_reproduced(evaluated: Finished) -> None:
    result = evaluated.result
    metric, held_out = result["metric"], samples(DIGITS / "eval.npz")
    assert metric["name"] == "top1"
    assert metric["samples"] == metric["groups"] == len(held_out["labels"])
    assert metric["float"] == pytest.approx(accuracy(DIGITS / "digits.onnx", held_out))
    assert metric["quantized"] == pytest.approx(accuracy(evaluated.model, held_out))
    assert metric["drop"] == pytest.approx(metric["float"] - metric["quantized"])
    low, high = metric["drop_ci95"]
    assert low <= metric["drop"] <= high
    files = {"float": DIGITS / "digits.onnx", "quantized": evaluated.model}
    assert result["size_bytes"] == {name: path.stat().st_size for name, path in files.items()}
    assert min(result["latency_ms"].values()) > 0
    assert result["peak_rss_bytes"] > files["float"].stat().st_size
    assert {"prepare", "calibrate", "quantize", "evaluate", "time"} <= set(result["seconds"])


def test_json_parameters_equal_those_of_the_model(evaluated: Finished) -> None:
    result = evaluated.result
    graph = onnx.load(evaluated.model).graph
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    stored = {
        node.input[0]: (arrays[node.input[1]], arrays[node.input[2]])
        for node in graph.node
        if node.op_type == "QuantizeLinear"
    }
    reported = [layer["output"] or layer["inputs"][0] for layer in result["layers"]]
    assert f"{len(reported)} operators in integers" in evaluated.out
    for layer, tensor in zip(result["layers"], reported, strict=True):
        scale, zero_point = stored[tensor["tensor"]]
        assert [float(scale)] == layer["scale"] == tensor["scale"]
        assert [int(zero_point)] == layer["zero_point"]
        assert str(zero_point.dtype) == layer["grid"]
        assert layer["sqnr_db"] > 20
    assert {proof["layer"] for proof in result["proofs"] if proof["holds"]} == {
        layer["name"] for layer in result["layers"] if layer["weights"]
    }


def test_provenance_is_in_both_files(evaluated: Finished) -> None:
    result = evaluated.result
    files = {"model": "digits.onnx", "calibration": "calib.npz", "evaluation": "eval.npz"}
    digests = {what: sha256(evaluated.folder / name) for what, name in files.items()}
    assert result["sha256"] == digests
    for name in ("octavo", "numpy", "onnx", "onnxruntime"):
        assert result["versions"][name] == version(name)
    stored = metadata(evaluated.model)
    assert stored["octavo.target"] == "x86-vnni"
    assert json.loads(stored["octavo.versions"]) == result["versions"]
    assert stored["octavo.sha256.model"] == digests["model"]
    assert stored["octavo.sha256.calibration"] == digests["calibration"]


def test_the_result_is_a_drop_in_replacement(evaluated: Finished) -> None:
    model, original = onnx.load(evaluated.model), onnx.load(DIGITS / "digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert [v.SerializeToString() for v in model.graph.input] == [v.SerializeToString() for v in original.graph.input]
    assert [v.name for v in model.graph.output] == [v.name for v in original.graph.output]
    assert {opset.domain for opset in model.opset_import} == {""}


@pytest.mark.slow
def test_a_whole_run_in_pipes_prints_tables_and_nothing_else(work: Path) -> None:
    result = process(
        *("quantize", "digits.onnx", "-c", "calib.npz", "-e", "eval.npz", "-o", "out.onnx", "--target", "auto"),
        *("--metric", "top1", "--exclude", "Gemm", "--estimator", "mse", "--recipe", "r.yaml", "--json", "out.json"),
        *("--samples", 40, "--batch-size", 16, "--threads", 1, "--seed", 3, "--force"),
        cwd=work,
    )
    assert (result.code, result.err) == (0, "")
    assert "98." in next(line for line in result.out.splitlines() if "top1" in line)
    assert "excluded by 'Gemm'" in result.out
    assert "\x1b" not in result.out
    assert sorted(path.name for path in work.iterdir()) == sorted(
        ["calib.npz", "digits.onnx", "eval.npz", "out.json", "out.onnx", "r.yaml"]
    )
    assert read()["calibration_samples"] == 40
    assert read()["recipe"]["seed"] == 3


def test_stdout_shows_the_verdict(evaluated: Finished) -> None:
    rows = {line.split("│")[1].strip(): line for line in evaluated.out.splitlines() if line.count("│") > 3}
    assert f"{evaluated.result['metric']['float']:.2f}" in rows["top1"]
    assert "899 samples" in rows["top1"]
    assert "smaller" in rows["size"]
    assert " ms " in rows["latency"]
    assert "1 Conv: with 1 input channel its integer form is slower than float" in evaluated.out


def test_without_labels_the_models_agreement_is_measured(quantize: Octavo, work: Path) -> None:
    np.savez("bare.npz", image=samples("eval.npz")["image"])
    quantize("-e", "bare.npz", "--json", "out.json")
    metric = read()["metric"]
    held_out = samples("eval.npz")
    floats = onnxruntime.InferenceSession("digits.onnx").run(None, {"image": held_out["image"]})[0].argmax(1)
    assert metric["name"] == "agreement"
    assert metric["quantized"] == pytest.approx(accuracy("out.onnx", {"image": held_out["image"], "labels": floats}))


def test_a_recipe_gives_the_same_bytes(quantize: Octavo, work: Path) -> None:
    quantize("--recipe", "r.yaml", "--exclude", "Gemm", "--estimator", "entropy")
    recipe = (work / "r.yaml").read_bytes()
    # Without --target, --exclude and --estimator, which come from the recipe.
    quantize("--target", "auto", "--recipe", "r.yaml", output="again.onnx")
    assert (work / "again.onnx").read_bytes() == (work / "out.onnx").read_bytes()
    assert (work / "r.yaml").read_bytes() == recipe
    (work / "r.yaml").write_text(recipe.decode().replace("entropy", "minmax"))
    quantize("--recipe", "r.yaml", output="edited.onnx")
    assert integers("edited.onnx") != integers()


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/block3/body/body.0/Conv", {"/block3/body/body.0/Conv"}),
        (r"/block[34]/body/body\.3/.*", {"/block3/body/body.3/Conv", "/block4/body/body.3/Conv"}),
        ("Gemm", {"/classifier/Gemm"}),
    ],
)
def test_exclusions_by_name_expression_and_type(pattern: str, expected: set[str], quantize: Octavo) -> None:
    quantize("--exclude", pattern, "--json", "out.json")
    result = read()
    assert {left["name"] for left in result["left_float"] if left["why"] == f"excluded by '{pattern}'"} == expected
    assert not expected & {layer["name"] for layer in result["layers"]}
    initializers = {tensor.name: tensor.data_type for tensor in onnx.load("out.onnx").graph.initializer}
    weights = [node.input[1] for node in onnx.load("out.onnx").graph.node if node.name in expected]
    assert len(weights) == len(expected)
    assert all(initializers[name] == onnx.TensorProto.FLOAT for name in weights)


def test_exclusions_are_combined(quantize: Octavo) -> None:
    quantize("--exclude", "Gemm", "--exclude", "Add", "--json", "out.json")
    assert {"Gemm", "Add"} & {layer["op"] for layer in read()["layers"]} == set()


def pictures(folder: Path, images: np.ndarray) -> None:
    """Images whose values are multiples of 1/16 as PNG files, in order."""
    folder.mkdir()
    for index, image in enumerate(images):
        Image.fromarray((image[0] * 16).astype(np.uint8)).save(folder / f"{index:04}.png")


@pytest.mark.parametrize("kind", ["npy", "other name", "bytes", "images", "float64", "in Fortran's order"])
def test_the_same_samples_in_any_form_give_the_same_model(
    kind: str, quantize: Octavo, plain: Finished, work: Path
) -> None:
    image, options, path = samples()["image"], ["--input-scale", 0.0625], "other.npz"
    match kind:
        case "npy":
            path, options = "other.npy", []
            np.save(path, image)
        case "other name":
            np.savez(path, pixels=image)
        case "bytes":
            np.savez(path, image=(image * 16).astype(np.uint8))
        case "images":
            path = "photos"
            pictures(work / path, image)
        case "float64":
            np.savez(path, image=image.astype(np.float64))
        case _:
            np.savez(path, image=np.asfortranarray(image))
    quantize(*options, calibration=path)
    assert integers() == integers(plain.model)


def test_images_are_preprocessed_by_the_options(quantize: Octavo, work: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (20, 1, 8, 8)).astype(np.uint8)
    pictures(work / "photos", pixels / np.float32(16))
    prepared = (pixels.astype(np.float32) / np.float32(255) - np.float32(0.25)) / np.float32(0.5)
    np.savez("prepared.npz", image=prepared.astype(np.float32))
    quantize("--mean", "0.25", "--std", "0.5", "--layout", "NCHW", "--image-size", "8x8", calibration="photos")
    quantize(calibration="prepared.npz", output="expected.onnx")
    assert integers() == integers("expected.onnx")


def test_sub_folders_are_labels(quantize: Octavo, work: Path) -> None:
    held_out = samples("eval.npz")
    (work / "classes").mkdir()
    for label in range(10):
        pictures(work / "classes" / str(label), held_out["image"][held_out["labels"] == label][:12])
    quantize("-e", "classes", "--input-scale", 0.0625, "--json", "out.json")
    rows = np.concatenate([np.flatnonzero(held_out["labels"] == label)[:12] for label in range(10)])
    subset = {name: array[rows] for name, array in held_out.items()}
    assert read()["metric"]["samples"] == 120
    assert read()["metric"]["float"] == pytest.approx(accuracy("digits.onnx", subset))


def test_samples_uses_the_first_n(quantize: Octavo) -> None:
    np.savez("few.npz", image=samples()["image"][:25])
    quantize("--samples", 25, "--json", "out.json")
    quantize(calibration="few.npz", output="few.onnx")
    assert read()["calibration_samples"] == 25
    assert integers() == integers("few.onnx")


def test_the_batch_size_does_not_change_the_result(quantize: Octavo, plain: Finished) -> None:
    quantize("--batch-size", 7)
    assert Path("out.onnx").read_bytes() == plain.model.read_bytes()


def test_threads_reach_every_session(quantize: Octavo, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, session = [], engine._session

    def spy(model: Any, options: Any) -> Any:
        threads.append(options.intra_op_num_threads)
        return session(model, options)

    monkeypatch.setattr(engine, "_session", spy)
    quantize("--threads", 1, "-e", "eval.npz")
    assert len(threads) > 3
    assert set(threads) == {1}


def test_the_seed_changes_only_the_interval(quantize: Octavo, work: Path) -> None:
    (work / "seeded_metric.py").write_text(
        "def sure(outputs, reference):\n    return float(outputs['logits'][reference['labels'] < 5].max(1).mean())\n"
    )
    subset = {name: array[:600] for name, array in samples("eval.npz").items()}
    np.savez("few.npz", **subset)
    results = []
    for index, seed in enumerate((1, 1, 2)):
        quantize(
            *("-e", "few.npz", "--metric", "seeded_metric:sure", "--seed", seed, "--json", f"{index}.json"),
            output=f"{index}.onnx",
        )
        results.append(read(f"{index}.json"))
    first, repeated, other = (result["metric"] for result in results)
    logits = onnxruntime.InferenceSession("digits.onnx").run(None, {"image": subset["image"]})[0]
    assert first["name"] == "seeded_metric:sure"
    assert first["float"] == pytest.approx(logits[subset["labels"] < 5].max(1).mean())
    assert first == repeated
    assert {**other, "drop_ci95": 0} == {**first, "drop_ci95": 0}
    assert other["drop_ci95"] != first["drop_ci95"]
    assert [result["recipe"]["seed"] for result in results] == [1, 1, 2]


def test_the_estimator_chooses_the_ranges(quantize: Octavo) -> None:
    image = samples()["image"]
    np.savez("tailed.npz", image=np.where(image == 1, np.float32(1.5), image))
    quantize("--estimator", "minmax", "--json", "a.json", calibration="tailed.npz", output="a.onnx")
    quantize("--estimator", "percentile:60", "--json", "b.json", calibration="tailed.npz", output="b.onnx")
    scales = [read(name)["layers"][0]["inputs"][0]["scale"][0] for name in ("a.json", "b.json")]
    assert scales[0] == pytest.approx(1.5 / 255, rel=1e-6)
    assert scales[1] == pytest.approx(np.quantile(image, 0.6) / 255, rel=0.02)


def test_a_custom_target_file_is_accepted(quantize: Octavo, work: Path) -> None:
    text = (Path(targets.__file__).parent / "arm-neon.toml").read_text()
    (work / "board.toml").write_text(text.replace('"onnxruntime", "octavo"', '"octavo"'))
    quantize("--target", "board.toml", "--json", "out.json")
    assert read()["target"] == "board"
    assert read()["latency_ms"] is None
    assert {layer["grid"] for layer in read()["layers"]} == {"int8"}
    assert metadata()["octavo.target"] == "board"


def test_a_range_that_calibration_never_saw_is_said_without_evaluation(octavo: Octavo, work: Path) -> None:
    onnx.save(quiet_branch(), work / "quiet.onnx")
    np.savez(work / "asleep.npz", **branch_samples(awake=False))
    result = octavo("quantize", "quiet.onnx", "-c", "asleep.npz", "-t", UNTIMED, "-o", "quiet.int8.onnx")
    assert result.code == 0
    said = " ".join((result.out + result.err).split())
    assert "tensor 'routed' had one value throughout the calibration samples" in said
    assert "'matmul_e1' stayed in float" in said
