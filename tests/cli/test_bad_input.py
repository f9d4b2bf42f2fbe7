"""Bad input: exit code 2, one sentence, no file written or changed."""

from __future__ import annotations

import errno
import importlib
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.command_line import UNTIMED, Octavo, Refused, contents, only_sentence, process

from octavo.errors import BudgetNotMet, OctavoError
from octavo.pipeline import planner

DATA = ("-c", "calib.npz", "-o", "out.onnx")


def relu_only() -> onnx.ModelProto:
    return models.build([models.node("Relu", ["image"], "y")], {"image": ["N", 1, 8, 8]}, {"y": ["N", 1, 8, 8]})


def too_old() -> onnx.ModelProto:
    model = models.conv_relu(7)
    model.graph.node[1].op_type = "Upsample"
    return model


def unknown_operator(domain: str = "shop.example") -> onnx.ModelProto:
    """Gemm, an operator that neither ONNX nor ONNX Runtime knows, Gemm."""
    model = models.mlp()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Sparkle", domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def quantized_again() -> onnx.ModelProto:
    nodes = [models.node("QuantizeLinear", ["image", "s"], "q"), models.node("DequantizeLinear", ["q", "s"], "y")]
    return models.build(nodes, {"image": ["N", 4]}, {"y": ["N", 4]}, {"s": models.ONE})


def external(location: str, length: int = 16 * 24 * 4) -> onnx.ModelProto:
    """A model whose first weights lie in another file."""
    model = models.mlp()
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == "w1")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return model


BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "does not exist"),
    "empty": (lambda path: path.touch(), "is empty"),
    "truncated": (lambda path: path.write_bytes(Path("digits.onnx").read_bytes()[:300_000]), "truncated"),
    "text": (lambda path: path.write_text("Lorem ipsum dolor sit amet.\n"), "ONNX"),
    "an image": (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)), "ONNX"),
    "samples": (lambda path: path.write_bytes(Path("calib.npz").read_bytes()), "ONNX"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "too old": (lambda path: onnx.save(too_old(), path), "opset 7 cannot be converted"),
    "quantized": (lambda path: onnx.save(quantized_again(), path), "quantized already"),
    "nothing to quantize": (lambda path: onnx.save(relu_only(), path), "no operator of the model"),
    "unknown operator": (lambda path: onnx.save(unknown_operator(), path), "Sparkle"),
}


@pytest.mark.parametrize("kind", BAD_MODELS)
def test_invalid_models_are_refused(kind: str, refused: Refused) -> None:
    make, expected = BAD_MODELS[kind]
    make(Path("bad.onnx"))
    if kind == "unknown operator":
        np.savez("calib.npz", x=np.ones((4, 16), np.float32))
    assert expected in refused("quantize", "bad.onnx", *DATA)


@pytest.mark.parametrize(
    "arguments",
    [
        ("inspect", "bad.onnx"),
        ("compare", "digits.onnx", "bad.onnx", "-d", "eval.npz"),
        ("bench", "digits.onnx", "bad.onnx"),
        ("explain", "--weights", "bad.onnx"),
    ],
)
@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "text"])
def test_every_command_refuses_an_invalid_model(arguments: tuple[str, ...], kind: str, refused: Refused) -> None:
    make, expected = BAD_MODELS[kind]
    make(Path("bad.onnx"))
    assert expected in refused(*arguments)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("weights.bin", "does not exist"),
        ("../secret.bin", "outside the model's folder"),
        ("/etc/passwd", "outside the model's folder"),
        ("link.bin", "outside the model's folder"),
        ("short.bin", "truncated"),
    ],
)
def test_invalid_external_data_are_refused(location: str, expected: str, work: Path, refused: Refused) -> None:
    (work / "models").mkdir()
    (work / "secret.bin").write_bytes(bytes(16 * 24 * 4))
    (work / "models" / "short.bin").write_bytes(bytes(100))
    (work / "models" / "link.bin").symlink_to(work / "secret.bin")
    onnx.save(external(location), work / "models" / "bad.onnx")
    sentence = refused("quantize", "models/bad.onnx", *DATA)
    assert expected in sentence
    assert "'w1'" in sentence


def test_external_data_below_the_model_folder_are_read(octavo: Octavo, work: Path) -> None:
    (work / "weights").mkdir()
    (work / "weights" / "w.bin").write_bytes(models.random(16, 24).tobytes())
    onnx.save(external("weights/w.bin"), "model.onnx")
    np.savez("calib.npz", x=models.random(40, 16))
    ended = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (ended.code, ended.err) == (0, "")


def test_custom_operators_stay_in_float_and_are_listed(octavo: Octavo, work: Path) -> None:
    model = models.mlp()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", x=models.random(40, 16))
    ended = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (ended.code, ended.err) == (0, "")
    assert "1 Gelu: " in ended.out
    assert [node.op_type for node in onnx.load("out.onnx").graph.node if node.domain] == ["Gelu"]


def test_inspect_names_an_operator_without_implementation(octavo: Octavo, work: Path) -> None:
    onnx.save(unknown_operator(), "model.onnx")
    ended = octavo("inspect", "model.onnx")
    assert (ended.code, ended.err) == (0, "")
    assert "Sparkle" in ended.out


def test_inner_shapes_are_optional(octavo: Octavo, work: Path) -> None:
    model = models.pooling()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", x=models.random(20, 4, 10, 10))
    ended = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (ended.code, ended.err) == (0, "")


def test_an_input_without_a_shape_is_refused(refused: Refused) -> None:
    model = models.mlp()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", x=models.random(20, 16))
    sentence = refused("quantize", "model.onnx", *DATA)
    assert "'x'" in sentence
    assert "shape" in sentence
    assert "[]" not in sentence


def images(count: int = 40) -> np.ndarray:
    return np.random.default_rng(0).random((count, 1, 8, 8)).astype(np.float32)


def spoiled(value: float) -> np.ndarray:
    """Samples of which the 36th, in the second batch, holds an unusable value."""
    found = images()
    found[35, 0, 3, 3] = value
    return found


BAD_DATA: dict[str, tuple[Callable[[], object], str]] = {
    "missing": (lambda: Path("bad.npz").unlink(missing_ok=True), "does not exist"),
    "empty file": (lambda: Path("bad.npz").write_bytes(b""), "is empty"),
    "truncated": (lambda: Path("bad.npz").write_bytes(Path("calib.npz").read_bytes()[:4000]), "not a readable .npz"),
    "no arrays": (lambda: np.savez("bad.npz"), "holds no arrays"),
    "wrong names": (lambda: np.savez("bad.npz", a=images(), b=images()), "no array for the model's input 'image'"),
    "wrong rank": (lambda: np.savez("bad.npz", image=images().reshape(40, 64)), "the model takes [batch, 1, 8, 8]"),
    "wrong shape": (lambda: np.savez("bad.npz", image=images()[:, :, :7]), "has 7 on axis 2"),
    "bytes for floats": (lambda: np.savez("bad.npz", image=images().astype(np.uint8)), "--input-scale"),
    "text for floats": (lambda: np.savez("bad.npz", image=images().astype("U4")), "'image'"),
    "complex for floats": (lambda: np.savez("bad.npz", image=images().astype(np.complex64)), "complex64"),
    "objects": (lambda: np.savez("bad.npz", image=np.array([None, 1], object)), "Python objects"),
    "no samples": (lambda: np.savez("bad.npz", image=images(0)), "no samples"),
    "a single number": (lambda: np.savez("bad.npz", image=np.float32(1)), "single number"),
    "uneven": (lambda: np.savez("bad.npz", image=images(), labels=np.zeros(39, np.int64)), "has 39 rows"),
    "not a number": (lambda: np.savez("bad.npz", image=spoiled(np.nan)), "sample 35 holds NaN"),
    "infinite": (lambda: np.savez("bad.npz", image=spoiled(np.inf)), "sample 35 holds NaN or infinity"),
    "beyond float32": (
        lambda: np.savez("bad.npz", image=images().astype(np.float64) * 1e300),
        "sample 0 holds NaN or infinity",
    ),
}


@pytest.mark.parametrize("kind", BAD_DATA)
def test_mismatched_calibration_data_are_refused(kind: str, refused: Refused) -> None:
    make, expected = BAD_DATA[kind]
    make()
    assert expected in refused("quantize", "digits.onnx", "-c", "bad.npz", "-o", "out.onnx", "--batch-size", 32)


@pytest.mark.parametrize("kind", ["missing", "wrong names", "wrong shape", "no samples", "not a number"])
def test_mismatched_evaluation_data_are_refused(kind: str, refused: Refused) -> None:
    make, expected = BAD_DATA[kind]
    make()
    assert expected in refused("quantize", "digits.onnx", *DATA, "-e", "bad.npz")


@pytest.mark.parametrize("kind", ["missing", "wrong shape", "not a number"])
def test_mismatched_comparison_data_are_refused(kind: str, refused: Refused) -> None:
    make, expected = BAD_DATA[kind]
    make()
    assert expected in refused("compare", "digits.onnx", "digits.onnx", "-d", "bad.npz")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("bad.npy", b"\x93NUMPY\x01\x00", "not a readable NumPy array"),
        ("bad.npy", b"no array at all", "not a readable NumPy array"),
        ("bad.unknown", b"1,2,3\n", "unsupported format"),
        ("bad.npz", b"PK\x03\x04 and then nothing", "not a readable .npz"),
        ("photos/notes.txt", b"no image", "holds no images"),
        ("photos/1.png", b"\x89PNG\r\n\x1a\n", "1.png cannot be read"),
    ],
)
def test_files_without_samples_are_refused(name: str, content: bytes, expected: str, refused: Refused) -> None:
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    given = path if path.parent == Path() else path.parent
    assert expected in refused("quantize", "digits.onnx", "-c", given, "-o", "out.onnx")


def test_a_truncated_array_file_is_refused(refused: Refused) -> None:
    np.save("bad.npy", images())
    whole = Path("bad.npy").read_bytes()
    Path("bad.npy").write_bytes(whole[:-100])
    assert "is truncated" in refused("quantize", "digits.onnx", "-c", "bad.npy", "-o", "out.onnx")


def test_an_array_header_larger_than_memory_is_refused(refused: Refused) -> None:
    header = b"{'descr': '<f4', 'fortran_order': True, 'shape': (99999999999999, 1, 8, 8), }"
    header += b" " * (63 - (len(header) + 10) % 64) + b"\n"
    Path("bad.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    assert "bad.npy" in refused("quantize", "digits.onnx", "-c", "bad.npy", "-o", "out.onnx")


def test_labels_without_a_default_metric_are_refused(refused: Refused) -> None:
    np.savez("eval.npz", image=images(), labels=np.linspace(0, 1, 40))
    assert "--metric" in refused("quantize", "digits.onnx", *DATA, "-e", "eval.npz")


def test_evaluation_on_calibration_samples_is_a_warning_on_one_line(quantize: Octavo) -> None:
    with np.load("calib.npz") as file:
        seen = file["image"]
    np.savez("mixed.npz", image=np.concatenate([images(50), seen[:30]]))
    lines = quantize("--evaluate", "mixed.npz").out.splitlines()
    (warning,) = [line for line in lines if "calibration samples too" in line]
    assert warning.startswith("warning: 30 of 80 evaluation samples")


@pytest.mark.parametrize("option", ["-o", "--json"])
def test_existing_outputs_are_refused(option: str, refused: Refused, work: Path) -> None:
    (work / "there").write_text("precious")
    outputs = {"-o": "out.onnx", "--json": "out.json"} | {option: "there"}
    flat = [text for pair in outputs.items() for text in pair]
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", *flat)
    assert "there exists" in sentence
    assert "--force" in sentence


def test_force_overwrites(quantize: Octavo, work: Path) -> None:
    for name in ("out.onnx", "out.json"):
        (work / name).write_text("old")
    quantize("--json", "out.json", "--force")
    onnx.checker.check_model(onnx.load("out.onnx"))
    assert (work / "out.json").read_text().startswith("{")


@pytest.mark.parametrize("option", ["-o", "--json", "--recipe"])
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("absent/out", "does not exist"),
        ("digits.onnx/out", "does not exist"),
        ("folder", "folder"),
        ("folder/../digits.onnx", "choose another output"),
        ("alias.onnx", "choose another output"),
        ("calib.npz", "choose another output"),
        ("eval.npz", "choose another output"),
    ],
)
def test_invalid_outputs_are_refused(option: str, path: str, expected: str, refused: Refused, work: Path) -> None:
    (work / "folder").mkdir()
    (work / "alias.onnx").symlink_to(work / "digits.onnx")
    outputs = {"-o": "out.onnx"} | {option: path}
    flat = [text for pair in outputs.items() for text in pair]
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", "-e", "eval.npz", "--force", *flat)
    if option != "--recipe" or not Path(path).exists():  # a recipe that exists is read, never written
        assert expected in sentence


def test_one_path_for_two_outputs_is_refused(refused: Refused) -> None:
    assert "two outputs" in refused("quantize", "digits.onnx", *DATA, "--json", "./out.onnx")


def test_a_read_only_folder_is_refused(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and allowed(path, mode))
    assert "cannot be written" in refused("quantize", "digits.onnx", *DATA)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_a_folder_that_fails_on_write_is_refused(refused: Refused) -> None:
    sentence = refused("quantize", "digits.onnx", "-c", "calib.npz", "-o", "/proc/out.onnx", "-t", UNTIMED)
    assert "cannot be written" in sentence


@pytest.mark.parametrize("present", [False, True])
def test_a_full_disk_changes_no_file(present: bool, work: Path) -> None:
    if present:
        (work / "out.onnx").write_text("old")
    before = contents(work)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    ended = process("quantize", "digits.onnx", *DATA, "-t", UNTIMED, "--force", cwd=work, preexec_fn=limit)
    assert (ended.code, ended.out) == (2, "")
    assert "out.onnx cannot be written (File too large)" in only_sentence(ended.err)
    assert contents(work) == before


@pytest.mark.parametrize("file", ["out.json", "recipe.yaml"])
def test_a_disk_that_fills_up_during_writing_leaves_complete_files_only(
    file: str, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = os.fsync

    def full(descriptor: int) -> None:
        if f".{file}." in os.readlink(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    before = contents(work)
    option = "--json" if file == "out.json" else "--recipe"
    ended = octavo("quantize", "digits.onnx", *DATA, "-t", UNTIMED, option, file)
    assert ended.code == 2
    assert f"{file} cannot be written (No space left on device)" in only_sentence(ended.err)
    after = contents(work)
    onnx.checker.check_model(onnx.load("out.onnx"))
    assert {name: after[name] for name in before} == before
    assert set(after) == {*before, "out.onnx"}


BAD_OPTIONS: dict[str, tuple[tuple[object, ...], str]] = {
    "no such command": (("quantise",), "quantise"),
    "no such option": (("targets", "--colour"), "--colour"),
    "no model": (("quantize",), "MODEL"),
    "unknown target": (("quantize", "digits.onnx", *DATA, "-t", "z80"), "there is no target 'z80'; use one of auto"),
    "missing target file": (("quantize", "digits.onnx", *DATA, "-t", "my.toml"), "my.toml"),
    "unknown target of inspect": (("inspect", "digits.onnx", "-t", "z80"), "z80"),
    "unknown metric": (("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "top3"), "top3"),
    "missing metric": (("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "no_such:f"), "no_such"),
    "metric alone": (("quantize", "digits.onnx", *DATA, "--metric", "top1"), "--metric needs --evaluate"),
    "unknown estimator": (("quantize", "digits.onnx", *DATA, "--estimator", "median"), "median"),
    "percentile of text": (("quantize", "digits.onnx", *DATA, "--estimator", "percentile:high"), "percentile:high"),
    "percentile beyond 100": (("quantize", "digits.onnx", *DATA, "--estimator", "percentile:101"), "percentile"),
    "parameter of none": (("quantize", "digits.onnx", *DATA, "--estimator", "minmax:3"), "minmax:3"),
    "exclude nothing": (("quantize", "digits.onnx", *DATA, "--exclude", "Softmaxx"), "'Softmaxx' matches no node"),
    "no expression": (("quantize", "digits.onnx", *DATA, "--exclude", "(a"), "not a valid regular expression"),
    "no samples": (("quantize", "digits.onnx", *DATA, "--samples", 0), "--samples"),
    "no batch": (("quantize", "digits.onnx", *DATA, "--batch-size", 0), "--batch-size"),
    "no threads": (("quantize", "digits.onnx", *DATA, "--threads", 0), "--threads"),
    "negative seed": (("quantize", "digits.onnx", *DATA, "--seed", -1), "--seed"),
    "no size": (("quantize", "digits.onnx", *DATA, "--image-size", "large"), "--image-size large"),
    "empty size": (("quantize", "digits.onnx", *DATA, "--image-size", "0x8"), "--image-size 0x8"),
    "no mean": (("quantize", "digits.onnx", *DATA, "--mean", "a,b"), "--mean a,b"),
    "no spread": (("quantize", "digits.onnx", *DATA, "--std", "0"), "std"),
    "no layout": (("quantize", "digits.onnx", *DATA, "--layout", "CHWN"), "CHWN"),
    "no scale": (("quantize", "digits.onnx", *DATA, "--input-scale", "nan"), "scale"),
    "missing recipe folder": (("quantize", "digits.onnx", *DATA, "--recipe", "no/r.yaml"), "no/r.yaml"),
    "no range": (("explain",), "--range"),
    "half a range": (("explain", "--range", "1"), "--range"),
    "range and weights": (("explain", "--range", "0", "1", "--weights", "calib.npz"), "either"),
    "range of NaN": (("explain", "--range", "0", "nan"), "finite"),
    "range beyond float32": (("explain", "--range", "0", "1e300"), "finite"),
    "no grid": (("explain", "--range", "0", "1", "--dtype", "int3"), "int3"),
    "grid beyond its type": (("explain", "--range", "0", "1", "--dtype", "int8[-300,3]"), "[-300,3]"),
    "channels of a range": (("explain", "--range", "0", "1", "--axis", "0"), "--axis needs --weights"),
    "no such axis": (("explain", "--weights", "calib.npz", "--axis", "4"), "axis"),
    "which array": (("explain", "--weights", "eval.npz"), "'labels'"),
    "no such array": (("explain", "--weights", "eval.npz", "--tensor", "x"), "'labels'"),
    "missing array file": (("explain", "--weights", "no.npy"), "no.npy does not exist"),
    "no model to time": (("bench",), "MODEL"),
    "no dimension": (("bench", "digits.onnx", "--dim", "batch"), "NAME=SIZE"),
    "empty dimension": (("bench", "digits.onnx", "--dim", "batch=0"), "batch=0"),
    "unknown dimension": (("bench", "digits.onnx", "--dim", "time=3"), "'time'"),
    "no time": (("bench", "digits.onnx", "--seconds", "0"), "--seconds"),
    "one model to compare": (("compare", "digits.onnx", "-d", "eval.npz"), "no model to compare with the first"),
    "a page over the data": (
        ("compare", "digits.onnx", "digits.onnx", "-d", "eval.npz", "--report", "eval.npz", "--force"),
        "eval.npz",
    ),
    "a page that exists": (
        ("quantize", "digits.onnx", "-c", "calib.npz", "-o", "out.onnx", "--report", "eval.npz"),
        "--force",
    ),
    "a result that is none": (("report", "eval.npz"), "not JSON"),
    "a missing result": (("report", "no.json"), "no.json"),
}


@pytest.mark.parametrize("kind", BAD_OPTIONS)
def test_invalid_options_are_refused(kind: str, refused: Refused) -> None:
    arguments, expected = BAD_OPTIONS[kind]
    assert expected in refused(*arguments)


RECIPE = "octavo_recipe: 1\ntarget: octavo\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a\n- b\n", "not an Octavo recipe"),
        ("a: [", "not valid YAML"),
        ("octavo_recipe: 2\ntarget: octavo\n", "not an Octavo recipe of version 1"),
        ("octavo_recipe: 1\n", "target"),
        (RECIPE + "speed: high\n", "speed"),
        (RECIPE + "exclude: Softmax\n", "exclude"),
        (RECIPE + "seed: often\n", "seed"),
        (RECIPE + "tensors: {ghost: {grid: int8, symmetric: false, estimator: mse}}\n", "'ghost'"),
        (RECIPE + "tensors: {image: {grid: int3, symmetric: false, estimator: mse}}\n", "int3"),
        (RECIPE + "tensors: {image: {grid: uint8, symmetric: false, estimator: median}}\n", "median"),
        (RECIPE + "weights: {ghost: {1: {grid: int8, axis: 0}}}\n", "'ghost'"),
        (RECIPE + "weights: {/classifier/Gemm: {1: {grid: int8, axis: 7}}}\n", "axis"),
        ("octavo_recipe: 1\ntarget: z80\n", "z80"),
    ],
)
def test_invalid_recipes_are_refused(text: str, expected: str, refused: Refused) -> None:
    Path("recipe.yaml").write_text(text)
    assert expected in refused("quantize", "digits.onnx", *DATA, "--recipe", "recipe.yaml")


def test_a_failing_metric_is_an_error(refused: Refused, monkeypatch: pytest.MonkeyPatch, work: Path) -> None:
    monkeypatch.syspath_prepend(work)
    (work / "unlucky_metric.py").write_text("def f(outputs, reference):\n    return outputs['nothing']\n")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    sentence = refused("quantize", "digits.onnx", *DATA, "-e", "eval.npz", "--metric", "unlucky_metric:f")
    assert "metric unlucky_metric:f failed with KeyError" in sentence


@pytest.mark.parametrize("fault", [RuntimeError("lost the thread"), OctavoError("lost the thread")])
def test_an_internal_error_shows_its_traceback(
    fault: Exception, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise fault

    monkeypatch.setattr(planner, "make_plan", fail)
    before = contents(work)
    ended = octavo("quantize", "digits.onnx", *DATA)
    assert (ended.code, ended.out) == (1, "")
    assert "Traceback (most recent call last)" in ended.err
    (complaint,) = [line for line in ended.err.splitlines() if line.startswith("octavo: ")]
    assert "lost the thread" in complaint
    assert contents(work) == before


def test_a_budget_not_met_exits_with_3(octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BudgetNotMet("the drop is 3 points, the budget 1")

    monkeypatch.setattr(planner, "make_plan", fail)
    ended = octavo("quantize", "digits.onnx", *DATA)
    assert ended.code == 3
    assert only_sentence(ended.err) == "the drop is 3 points, the budget 1"


def test_an_interrupted_run_resumes(
    quantize: Octavo, octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quantize("--batch-size", 6, output="whole.onnx")
    calibration = importlib.import_module("octavo.calibrate.run")
    in_graph = importlib.import_module("octavo.calibrate.graph_observation")
    padded_parts, runs = in_graph.padded_parts, []

    def interrupted(*arguments: object) -> object:
        runs.append(arguments)
        if len(runs) == 8:
            raise KeyboardInterrupt
        return padded_parts(*arguments)

    monkeypatch.setattr(in_graph, "padded_parts", interrupted)
    monkeypatch.setattr(calibration, "_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    before = contents(work)
    ended = octavo("quantize", "digits.onnx", *DATA, "-t", UNTIMED, "--batch-size", 6)
    assert ended.code == 130
    assert "interrupted" in only_sentence(ended.err)
    assert set(contents(work)) - set(before) == {".out.onnx.checkpoint"}
    quantize("--batch-size", 6)
    assert len(runs) == 8 + 3  # seven of the ten batches were kept
    assert set(contents(work)) - set(before) == {"out.onnx"}
    assert (work / "out.onnx").read_bytes() == (work / "whole.onnx").read_bytes()


def test_a_closed_pipe_is_no_error(work: Path) -> None:
    command = f"'{sys.executable}' -m octavo targets | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("Targets")
    assert done.stderr == ""


def test_errors_in_a_pipe_are_not_wrapped(work: Path) -> None:
    name = "a_rather_long_name_of_a_model_that_is_not_there" * 4 + ".onnx"
    ended = process("inspect", name, cwd=work, env={**os.environ, "COLUMNS": "40"})
    assert (ended.code, ended.out) == (2, "")
    assert name in only_sentence(ended.err)
