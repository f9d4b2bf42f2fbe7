"""Provenance: digests that anyone can recompute, and metadata in the quantized file."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.helpers.jobs import TARGET, quantized, samples
from tests.helpers.models import conv_relu


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


@pytest.fixture
def described(tmp_path: Path) -> Path:
    """A model file with metadata, a producer and a doc string."""
    model = conv_relu()
    onnx.helper.set_model_props(model, {"author": "someone", "octavo.target": "old-target"})
    model.producer_name, model.doc_string = "exporter", "a description"
    onnx.save(model, tmp_path / "described.onnx")
    return tmp_path / "described.onnx"


def test_the_saved_file_has_its_provenance(described: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "calib.npz", **samples())
    result = quantized(described, tmp_path / "calib.npz")
    stored = metadata(onnx.load(result.save(tmp_path / "out.onnx")))
    assert stored["octavo.target"] == TARGET
    assert stored["octavo.sha256.model"] == sha256(described.read_bytes())
    assert stored["octavo.sha256.calibration"] == result.sha256["calibration"]
    versions = json.loads(stored["octavo.versions"])
    assert versions == result.versions
    assert versions["python"] == platform.python_version()
    assert versions["onnxruntime"] == version("onnxruntime")


def test_metadata_of_the_original_are_kept(described: Path, tmp_path: Path) -> None:
    model = onnx.load(quantized(described).save(tmp_path / "out.onnx"))
    assert metadata(model)["author"] == "someone"
    assert model.producer_name == "exporter"
    assert model.doc_string == "a description"


def test_the_digest_of_a_model_covers_its_external_data(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(conv_relu(), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    parts = [path.read_bytes(), (tmp_path / "weights.bin").read_bytes()]
    expected = sha256(b"".join(parts))
    assert quantized(path).sha256["model"] == expected
    changed = bytearray(parts[1])
    changed[0] ^= 1
    (tmp_path / "weights.bin").write_bytes(changed)
    assert quantized(path).sha256["model"] != expected


def test_the_digest_of_a_model_in_memory_is_that_of_its_serialization() -> None:
    model = conv_relu()
    first, repeated = quantized(model).sha256["model"], quantized(model).sha256["model"]
    model.graph.initializer[0].raw_data = bytes(len(model.graph.initializer[0].raw_data))
    assert first == repeated != quantized(model).sha256["model"]


def test_the_digest_of_data_depends_on_the_samples_only(tmp_path: Path) -> None:
    np.savez(tmp_path / "calib.npz", **samples())
    in_memory = quantized(calibration=samples()).sha256["calibration"]
    assert quantized(calibration=samples()["x"]).sha256["calibration"] == in_memory
    assert quantized(calibration=samples(seed=1)).sha256["calibration"] != in_memory
    assert len(quantized(calibration=tmp_path / "calib.npz").sha256["calibration"]) == 64


def test_held_out_data_have_a_digest() -> None:
    result = quantized(evaluate=samples(seed=1))
    assert set(result.sha256) == {"model", "calibration", "evaluation"}
    assert result.sha256["evaluation"] == quantized(calibration=samples(seed=1)).sha256["calibration"]
