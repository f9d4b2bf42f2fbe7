"""Write an ONNX file atomically."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import onnx_ir as ir

from octavo.errors import OptionError
from octavo.graph.size import LARGEST_PROTO, tensor_bytes


def save(model: ir.Model, path: str | os.PathLike[str]) -> None:
    """Write a model to a temporary folder beside `path`, sync it to disk, then rename it over an existing file.

    Models above 2 GB keep their tensors in `<name>.data` beside the file.

    Raises:
        OptionError: the folder does not exist, cannot be written, or the disk is full.
    """
    path = Path(path)
    external = f"{path.name}.data" if tensor_bytes(model) >= LARGEST_PROTO else None
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise OptionError(f"{path} cannot be written ({error.strerror}); choose a folder that exists") from None
    names = [path.name] if external is None else [external, path.name]
    try:
        if external is None:
            ir.external_data.load_to_model(model)
        ir.save(model, folder / path.name, format="protobuf", external_data=external)
        for name in names:
            _sync(folder / name)
        _move(folder, path.parent, names)
    except OSError as error:
        raise OptionError(f"{path} cannot be written ({error.strerror}); free space or choose another path") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _move(folder: Path, destination: Path, names: list[str]) -> None:
    """Rename files of `folder` into `destination`; on an error, restore the files that were there before."""
    moved: list[str] = []
    try:
        for name in names:
            backup = folder / f"{name}.old"
            if name != names[-1] and (destination / name).is_file():
                os.link(destination / name, backup)
            os.replace(folder / name, destination / name)
            moved.append(name)
    except OSError:
        for name in moved:
            backup = folder / f"{name}.old"
            if backup.exists():
                os.replace(backup, destination / name)
            else:
                (destination / name).unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
