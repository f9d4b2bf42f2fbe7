"""Loading: files that are not models, inconsistent models, and models too large for one file."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.models import PATTERNS, build, feeds, initializer_as_input, node, random, run

from octavo.errors import ModelError
from octavo.graph import input_specs, load, model_bytes, output_specs
from octavo.graph.size import tensor_bytes

Damage = Callable[[TensorProto], object]


def _refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def _model_file(folder: Path, model: onnx.ModelProto) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def _product(weight: onnx.TensorProto) -> onnx.ModelProto:
    """One MatMul by `weight`, unchecked."""
    model = build([node("MatMul", ["x", "w"], "y")], {"x": [2, 4]}, {"y": [2, 4]}, {"w": random(4, 4)})
    model.graph.initializer[0].CopyFrom(weight)
    return model


def _external(location: str | None, offset: object = None, length: object = None) -> onnx.TensorProto:
    """A tensor of 64 bytes whose data are in another file."""
    tensor = numpy_helper.from_array(random(4, 4), "w")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return tensor


@pytest.mark.parametrize("name", PATTERNS)
def test_valid_files_load(name: str, tmp_path: Path) -> None:
    proto = PATTERNS[name]()
    model = load(_model_file(tmp_path, proto))
    inputs = feeds(proto)
    expected, actual = run(proto, inputs), run(ir.to_proto(model), inputs)
    assert all(np.array_equal(expected[key], actual[key]) for key in expected)


def test_specs_describe_inputs_and_outputs(tmp_path: Path) -> None:
    model = load(_model_file(tmp_path, initializer_as_input()))
    assert [(s.name, s.dtype, s.shape) for s in input_specs(model)] == [("x", np.float32, ("N", 4, 8, 8))]
    assert [(s.name, s.dtype, s.shape) for s in output_specs(model)] == [("y", np.float32, ("N", 6, 8, 8))]
    assert model_bytes(model) >= tensor_bytes(model) > 0


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in _refusal(tmp_path / "none.onnx")


@pytest.mark.parametrize("name", ["n" * 300, "nul\0l"])
def test_an_invalid_file_name_is_refused(tmp_path: Path, name: str) -> None:
    _refusal(tmp_path / name)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in _refusal(tmp_path)


def test_a_pipe_is_refused_without_blocking(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    assert "not a regular file" in _refusal(tmp_path / "pipe.onnx")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.onnx").touch()
    assert "is empty" in _refusal(tmp_path / "empty.onnx")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = _model_file(tmp_path, PATTERNS["conv_relu"]())
    path.chmod(0)
    assert "permissions" in _refusal(path)


@pytest.mark.parametrize("part", [0.05, 0.3, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, part: float) -> None:
    path = _model_file(tmp_path, PATTERNS["residual"]())
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    _refusal(path)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_are_refused(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "noise.onnx"
    path.write_bytes(np.random.default_rng(seed).bytes(10 ** (seed % 4 + 1)))
    _refusal(path)


@pytest.mark.parametrize(
    "content",
    [b"<html></html>", b"PK\x03\x04zip", b"{}", b"\x80\x02}q\x00.", b"\x08\x07", "été".encode("latin-1"), b"\n" * 99],
)
def test_files_of_other_formats_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(content)
    _refusal(path)


@pytest.mark.parametrize("seed", range(6))
def test_flipped_bytes_load_or_are_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    content = bytearray(PATTERNS["if_subgraph"]().SerializeToString())
    for _ in range(30):
        damaged = bytearray(content)
        for index in rng.integers(0, len(content), 4):
            damaged[index] = rng.integers(0, 256)
        path = tmp_path / "flipped.onnx"
        path.write_bytes(damaged)
        try:
            load(path)
        except ModelError as error:
            assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


def test_a_graph_without_nodes_is_refused(tmp_path: Path) -> None:
    model = PATTERNS["conv_relu"]()
    del model.graph.node[:]
    assert "holds no ONNX graph" in _refusal(_model_file(tmp_path, model))


def _empty(tensor: TensorProto) -> None:
    tensor.ClearField("raw_data")


@pytest.mark.parametrize(
    "damage",
    [
        lambda tensor: setattr(tensor, "raw_data", b"1234"),
        _empty,
        lambda tensor: tensor.dims.__setitem__(0, -4),
        lambda tensor: tensor.dims.__setitem__(0, 2**50),
        lambda tensor: setattr(tensor, "data_type", TensorProto.UNDEFINED),
        lambda tensor: setattr(tensor, "data_type", TensorProto.INT64),
    ],
    ids=["short", "none", "negative", "huge", "untyped", "retyped"],
)
@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_data_of_another_size_than_their_tensor_are_refused(tmp_path: Path, damage: Damage, where: str) -> None:
    tensor = numpy_helper.from_array(random(4, 4), "w")
    damage(tensor)
    model = _product(tensor)
    if where == "attribute":
        del model.graph.initializer[:]
        model.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))
    assert "'w'" in _refusal(_model_file(tmp_path, model))


def test_an_unknown_data_type_is_refused(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(random(4, 4), "w")
    tensor.data_type = 999
    _refusal(_model_file(tmp_path, _product(tensor)))


def test_a_node_with_an_undefined_input_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = PATTERNS["conv_relu"]()
    del model.graph.initializer[0]
    assert "'w1', which no node before it writes" in _refusal(_model_file(tmp_path, model))
    assert not caplog.records
    assert logging.getLogger("onnx_ir").level == logging.NOTSET


def test_a_subgraph_with_an_undefined_input_is_refused(tmp_path: Path) -> None:
    model = PATTERNS["if_subgraph"]()
    del model.graph.initializer[3]
    assert "'shift'" in _refusal(_model_file(tmp_path, model))


def test_an_undefined_output_is_refused(tmp_path: Path) -> None:
    model = PATTERNS["conv_relu"]()
    model.graph.output[0].name = "z"
    assert "output 'z'" in _refusal(_model_file(tmp_path, model))


def test_a_tensor_written_twice_is_refused(tmp_path: Path) -> None:
    model = PATTERNS["conv_relu"]()
    model.graph.node.add().CopyFrom(model.graph.node[0])
    _refusal(_model_file(tmp_path, model))


def test_a_cycle_is_refused(tmp_path: Path) -> None:
    model = PATTERNS["conv_relu"]()
    model.graph.node[0].input[0] = "r"
    assert "has a cycle; export it again" in _refusal(_model_file(tmp_path, model))


def test_nodes_out_of_order_are_sorted(tmp_path: Path) -> None:
    model = PATTERNS["conv_relu"]()
    expected = [n.name for n in model.graph.node]
    nodes = list(model.graph.node)[::-1]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    assert [n.name for n in load(_model_file(tmp_path, model)).graph] == expected


def _with_data(folder: Path, size: int = 64) -> None:
    (folder / "w.bin").write_bytes(random(4, 4).tobytes()[:size])


def test_external_data_are_read(tmp_path: Path) -> None:
    _with_data(tmp_path)
    model = load(_model_file(tmp_path, _product(_external("w.bin", 0, 64))))
    (tmp_path / "w.bin").unlink()
    value = model.graph.initializers["w"].const_value
    assert value is not None
    assert np.array_equal(value.numpy(), random(4, 4))


def test_external_data_in_a_subfolder_are_read(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    _with_data(tmp_path / "data")
    load(_model_file(tmp_path, _product(_external("data/../data/w.bin"))))


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    _with_data(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "w.bin")
    load(_model_file(tmp_path, _product(_external("link"))))


@pytest.mark.parametrize("location", ["w.bin", "", None, "deep/w.bin", "a" * 5000, "nul\0l", ".", "two\nlines"])
def test_missing_external_data_are_refused(tmp_path: Path, location: str | None) -> None:
    assert "does not exist" in _refusal(_model_file(tmp_path, _product(_external(location))))


@pytest.mark.parametrize("kind", ["absolute", "above", "link", "linked folder", "through"])
@pytest.mark.parametrize("where", ["initializer", "attribute", "subgraph", "function"])
def test_external_data_outside_the_folder_are_refused(tmp_path: Path, kind: str, where: str) -> None:
    secret, folder = tmp_path / "secret", tmp_path / "models"
    secret.mkdir()
    (folder / "in").mkdir(parents=True)
    _with_data(secret)
    (folder / "link").symlink_to(secret / "w.bin")
    (folder / "linked").symlink_to(secret)
    location = {
        "absolute": str(secret / "w.bin"),
        "above": "../secret/w.bin",
        "link": "link",
        "linked folder": "linked/w.bin",
        "through": "in/../../secret/w.bin",
    }[kind]
    path = _model_file(folder, _hidden(_external(location, 0, 64), where))
    assert "outside the model's folder" in _refusal(path)


def _hidden(tensor: onnx.TensorProto, where: str) -> onnx.ModelProto:
    """A model with the tensor in a place that an incomplete check would miss."""
    model = _product(tensor)
    if where == "initializer":
        return model
    del model.graph.initializer[:]
    constant = helper.make_node("Constant", [], ["w"], value=tensor)
    product = helper.make_node("MatMul", ["x", "w"], ["y"])
    if where == "function":
        imports = [helper.make_opsetid("", 17)]
        model.functions.append(helper.make_function("own", "F", ["x"], ["y"], [constant, product], imports))
        model.opset_import.append(helper.make_opsetid("own", 1))
        constant, product = [], [helper.make_node("F", ["x"], ["y"], domain="own")]
    elif where == "subgraph":
        inner = helper.make_graph([constant, product], "inner", [], [helper.make_tensor_value_info("y", 1, [2, 4])])
        flag = helper.make_node("Constant", [], ["flag"], value=numpy_helper.from_array(np.array(True)))
        constant, product = flag, helper.make_node("If", ["flag"], ["out"], then_branch=inner, else_branch=inner)
        model.graph.output[0].name = "out"
    del model.graph.node[:]
    model.graph.node.extend([*([constant] if constant else []), *(product if isinstance(product, list) else [product])])
    return model


@pytest.mark.parametrize(("offset", "length", "size"), [(0, 64, 63), (4, 64, 64), (None, None, 10), (2**40, 64, 64)])
def test_truncated_external_data_are_refused(tmp_path: Path, offset: object, length: object, size: int) -> None:
    _with_data(tmp_path, size)
    assert "truncated" in _refusal(_model_file(tmp_path, _product(_external("w.bin", offset, length))))


@pytest.mark.parametrize(("offset", "length"), [(0, 8), (0, 128), (-4, 64), (0, -64), ("x", 64), (0, "y")])
def test_external_data_of_another_length_are_refused(tmp_path: Path, offset: object, length: object) -> None:
    _with_data(tmp_path)
    _refusal(_model_file(tmp_path, _product(_external("w.bin", offset, length))))


def test_more_than_two_gigabytes_stay_on_disk(tmp_path: Path) -> None:
    side = 2**14 + 2**13
    tensor = _external("w.bin", 0, 4 * side * side)
    tensor.dims[:] = [side, side]
    model = _product(tensor)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[1].dim_value = side
    with open(tmp_path / "w.bin", "wb") as file:
        file.truncate(4 * side * side)
    loaded = load(_model_file(tmp_path, model))
    weight = loaded.graph.initializers["w"].const_value
    assert isinstance(weight, ir.ExternalTensor)
    assert weight.raw is None
    assert model_bytes(loaded) == tensor_bytes(loaded) == 4 * side * side


def test_truncated_external_data_of_more_than_two_gigabytes_are_refused(tmp_path: Path) -> None:
    tensor = _external("w.bin")
    tensor.dims[:] = [2**15, 2**15]
    with open(tmp_path / "w.bin", "wb") as file:
        file.truncate(2**32 - 1)
    assert "truncated" in _refusal(_model_file(tmp_path, _product(tensor)))
