"""Bad models and samples: exit code 2, one sentence, no file written or changed."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.helpers import models
from tests.helpers.command_line import UNTIMED, Octavo, Refused

DATA = ("-c", "calib.npz", "-o", "out.onnx")


def relu_only() -> onnx.ModelProto:
    return models.build([models.node("Relu", ["image"], "y")], {"image": ["N", 1, 8, 8]}, {"y": ["N", 1, 8, 8]})


def too_old() -> onnx.ModelProto:
    model = models.conv_relu(7)
    model.graph.node[1].op_type = "Upsample"
    return model


def unknown_operator(domain: str = "shop.example") -> onnx.ModelProto:
    """Gemm, an operator that neither ONNX nor ONNX Runtime implements, Gemm."""
    model = models.mlp()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Sparkle", domain
    model.opset_import.append(helper.make_opsetid(domain, 1))
    return model


def quantized_again() -> onnx.ModelProto:
    nodes = [models.node("QuantizeLinear", ["image", "s"], "q"), models.node("DequantizeLinear", ["q", "s"], "y")]
    return models.build(nodes, {"image": ["N", 4]}, {"y": ["N", 4]}, {"s": models.ONE})


def external(location: str, length: int = 16 * 24 * 4) -> onnx.ModelProto:
    """A model whose first weights are in another file."""
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
        np.savez("calib.npz", x=models.random(4, 16))
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
    result = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (result.code, result.err) == (0, "")


def test_custom_operators_stay_in_float_and_are_listed(octavo: Octavo, work: Path) -> None:
    model = models.mlp()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Gelu", "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", x=models.random(40, 16))
    result = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (result.code, result.err) == (0, "")
    assert "1 Gelu: " in result.out
    assert [node.op_type for node in onnx.load("out.onnx").graph.node if node.domain] == ["Gelu"]


def test_inspect_names_an_operator_without_implementation(octavo: Octavo, work: Path) -> None:
    onnx.save(unknown_operator(), "model.onnx")
    result = octavo("inspect", "model.onnx")
    assert (result.code, result.err) == (0, "")
    assert "Sparkle" in result.out


def test_inner_shapes_are_optional(octavo: Octavo, work: Path) -> None:
    model = models.pooling()
    model.graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, "model.onnx")
    np.savez("calib.npz", x=models.random(20, 4, 10, 10))
    result = octavo("quantize", "model.onnx", *DATA, "-t", UNTIMED)
    assert (result.code, result.err) == (0, "")


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


def with_value(value: float) -> np.ndarray:
    """Samples of which the 36th, in the second batch, contains `value`."""
    samples = images()
    samples[35, 0, 3, 3] = value
    return samples


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
    "not a number": (lambda: np.savez("bad.npz", image=with_value(np.nan)), "sample 35 holds NaN"),
    "infinite": (lambda: np.savez("bad.npz", image=with_value(np.inf)), "sample 35 holds NaN or infinity"),
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
    source = path if path.parent == Path() else path.parent
    assert expected in refused("quantize", "digits.onnx", "-c", source, "-o", "out.onnx")


def test_a_truncated_array_file_is_refused(refused: Refused) -> None:
    np.save("bad.npy", images())
    content = Path("bad.npy").read_bytes()
    Path("bad.npy").write_bytes(content[:-100])
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
        calibration = file["image"]
    np.savez("mixed.npz", image=np.concatenate([images(50), calibration[:30]]))
    lines = quantize("--evaluate", "mixed.npz").out.splitlines()
    (warning,) = [line for line in lines if "calibration samples too" in line]
    assert warning.startswith("warning: 30 of 80 evaluation samples")
