"""Model files are written atomically."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from tests.helpers.models import PATTERNS, feeds, random, run

from octavo.errors import OptionError
from octavo.graph import load, save


def _model(name: str = "residual") -> ir.Model:
    model = ir.from_proto(PATTERNS[name]())
    model.metadata_props["author"] = "somebody"
    model.graph.doc_string = "a graph"
    return model


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every model as too large for one file."""
    monkeypatch.setitem(save.__globals__, "LARGEST_PROTO", 1)


@pytest.mark.parametrize("name", PATTERNS)
def test_round_trip(name: str, tmp_path: Path) -> None:
    proto, path = PATTERNS[name](), tmp_path / "été model.onnx"
    save(ir.from_proto(proto), path)
    loaded = onnx.load(path)
    assert _names(tmp_path) == [path.name]
    assert [n.name for n in loaded.graph.node] == [n.name for n in proto.graph.node]
    assert [n.output for n in loaded.graph.node] == [n.output for n in proto.graph.node]
    assert list(loaded.graph.input) == list(proto.graph.input)
    assert list(loaded.graph.output) == list(proto.graph.output)
    assert loaded.opset_import == proto.opset_import
    assert loaded.producer_name == proto.producer_name
    inputs = feeds(proto)
    expected, actual = run(proto, inputs), run(loaded, inputs)
    assert all(np.array_equal(expected[key], actual[key]) for key in expected)


def test_metadata_are_kept(tmp_path: Path) -> None:
    save(_model(), tmp_path / "m.onnx")
    loaded = load(tmp_path / "m.onnx")
    assert loaded.metadata_props == {"author": "somebody"}
    assert loaded.graph.doc_string == "a graph"


def test_an_existing_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"old")
    save(_model(), path)
    load(path)
    assert _names(tmp_path) == ["m.onnx"]


def test_the_file_is_readable_by_other_users(tmp_path: Path) -> None:
    save(_model(), tmp_path / "m.onnx")
    (tmp_path / "plain").touch()
    assert (tmp_path / "m.onnx").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.usefixtures("small_files")
def test_large_models_store_their_tensors_in_a_second_file(tmp_path: Path) -> None:
    save(_model(), tmp_path / "m.onnx")
    assert _names(tmp_path) == ["m.onnx", "m.onnx.data"]
    assert (tmp_path / "m.onnx").stat().st_size < (tmp_path / "m.onnx.data").stat().st_size
    loaded = load(tmp_path / "m.onnx")
    inputs = feeds(PATTERNS["residual"]())
    assert np.array_equal(run(ir.to_proto(loaded), inputs)["y"], run(PATTERNS["residual"](), inputs)["y"])


@pytest.mark.usefixtures("small_files")
def test_a_large_model_can_overwrite_itself(tmp_path: Path) -> None:
    path, inputs = tmp_path / "m.onnx", feeds(PATTERNS["residual"]())
    save(_model(), path)
    loaded = ir.load(path)
    assert isinstance(loaded.graph.initializers["w1"].const_value, ir.ExternalTensor)
    save(loaded, path)
    assert _names(tmp_path) == ["m.onnx", "m.onnx.data"]
    assert np.array_equal(run(ir.to_proto(load(path)), inputs)["y"], run(PATTERNS["residual"](), inputs)["y"])


@pytest.mark.usefixtures("small_files")
def test_saving_does_not_modify_the_model_in_memory(tmp_path: Path) -> None:
    model = _model()
    save(model, tmp_path / "m.onnx")
    (tmp_path / "m.onnx.data").unlink()
    value = model.graph.initializers["w1"].const_value
    assert value is not None
    assert np.array_equal(value.numpy(), random(8, 8, 3, 3))


def test_small_models_are_saved_without_external_data(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(save.__globals__, "LARGEST_PROTO", 1)
        save(_model(), tmp_path / "m.onnx")
    (tmp_path / "elsewhere").mkdir()
    save(ir.load(tmp_path / "m.onnx"), tmp_path / "elsewhere" / "n.onnx")
    assert _names(tmp_path / "elsewhere") == ["n.onnx"]
    load(tmp_path / "elsewhere" / "n.onnx")


@pytest.mark.parametrize("path", ["none/m.onnx", "file/m.onnx", "m" * 300])
def test_an_impossible_path_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OptionError) as caught:
        save(_model(), tmp_path / path)
    assert "\n" not in str(caught.value)
    assert _names(tmp_path) == ["file"]


def test_a_folder_at_the_path_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").mkdir()
    with pytest.raises(OptionError, match="Is a directory"):
        save(_model(), tmp_path / "m.onnx")
    assert _names(tmp_path) == ["m.onnx"]


@pytest.mark.parametrize("call", ["onnx_ir.save", "os.fsync", "os.replace"])
@pytest.mark.parametrize("old", [b"old", None])
@pytest.mark.parametrize("limit", [1, 2**31])
def test_a_full_disk_leaves_the_existing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, old: bytes | None, limit: int
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "m.onnx"
    if old is not None:
        path.write_bytes(old)
    before = _names(tmp_path)
    monkeypatch.setitem(save.__globals__, "LARGEST_PROTO", limit)
    monkeypatch.setattr(call, full)
    with pytest.raises(OptionError, match="No space left on device") as caught:
        save(_model(), path)
    assert "\n" not in str(caught.value)
    assert _names(tmp_path) == before
    assert old is None or path.read_bytes() == old


@pytest.mark.usefixtures("small_files")
@pytest.mark.parametrize("old", [True, False])
def test_model_and_data_are_replaced_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    path, replace = tmp_path / "m.onnx", os.replace
    if old:
        save(_model(), path)
    before = {name: (tmp_path / name).read_bytes() for name in _names(tmp_path)}

    def failing(source: Path, target: Path) -> None:
        if target == path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OptionError):
        save(_model("mlp"), path)
    assert {name: (tmp_path / name).read_bytes() for name in _names(tmp_path)} == before


def test_an_interruption_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(_model(), tmp_path / "m.onnx")
    assert _names(tmp_path) == []
