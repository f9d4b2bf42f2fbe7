"""Provenance of a quantized model: versions, and digests of the float model and the data."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

import onnx_ir as ir

_PACKAGES = ("octavo", "numpy", "onnx", "onnx-ir", "onnxscript", "onnxruntime")
_PREFIX = "octavo."


@cache
def versions() -> dict[str, str]:
    """Versions of Octavo, its dependencies and Python."""
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def model_sha256(model: ir.Model, files: Sequence[Path]) -> str:
    """SHA-256 of the model's files, concatenated; of the serialized model where there are no files."""
    if not files:
        return hashlib.sha256(ir.to_proto(model).SerializeToString(deterministic=True)).hexdigest()
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()


def write_metadata(model: ir.Model, target: str, sha256: Mapping[str, str]) -> None:
    """Write provenance into the model's metadata, in place, under keys with the prefix `octavo.`."""
    model.metadata_props[f"{_PREFIX}target"] = target
    model.metadata_props[f"{_PREFIX}versions"] = json.dumps(versions(), sort_keys=True)
    for name, digest in sha256.items():
        model.metadata_props[f"{_PREFIX}sha256.{name}"] = digest
    model.producer_name = model.producer_name or "octavo"
