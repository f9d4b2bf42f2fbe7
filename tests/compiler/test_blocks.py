"""Quantize and dequantize per channel, per block, with other integer types, and with scales that are inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from tests.helpers import models
from tests.helpers.instruction_sets import each_isa

import octavo
from octavo import affine
from octavo.affine import GRIDS, QuantParams
from octavo.compiler import compile_model, read_bundle
from octavo.engines.onnxruntime import Session
from octavo.errors import ModelError

many = pytest.mark.parametrize("seed", range(10))
TYPES = {name: getattr(TensorProto, name.upper()) for name in GRIDS}


def model(
    op: str, data: tuple[str, tuple[int, ...]], params: QuantParams, computed: bool = False, **attributes: Any
) -> ir.Model:
    """One QuantizeLinear or DequantizeLinear; scale and zero point are constants, or inputs if `computed`."""
    dtype = "FLOAT" if op == "QuantizeLinear" else data[0].upper()
    inputs = [helper.make_tensor_value_info("x", getattr(TensorProto, dtype), data[1])]
    scale = numpy_helper.from_array(params.scale, "s")
    zeros = params.zero_point.astype(params.grid.numpy_dtype)
    packed = helper.make_tensor("z", TYPES[params.grid.dtype], zeros.shape, zeros.reshape(-1).tolist())
    if computed:
        inputs += [helper.make_tensor_value_info(n, t.data_type, t.dims) for n, t in (("s", scale), ("z", packed))]
    if params.axis is not None:
        attributes["axis"] = params.axis
    if params.block_size is not None:
        attributes["block_size"] = params.block_size
    result = TYPES[params.grid.dtype] if op == "QuantizeLinear" else TensorProto.FLOAT
    output = helper.make_tensor_value_info("y", result, None)
    node = helper.make_node(op, ["x", "s", "z"], ["y"], name="node", **attributes)
    graph = helper.make_graph([node], "g", inputs, [output], [] if computed else [scale, packed])
    return ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))


def run(onnx_model: ir.Model, folder: Path, *inputs: NDArray[Any]) -> NDArray[Any]:
    (folder / "m.oct").write_bytes(compile_model(onnx_model))
    result = octavo.load(folder / "m.oct")(*inputs)
    assert isinstance(result, np.ndarray)
    return result


def case(seed: int) -> tuple[tuple[int, ...], QuantParams]:
    """A shape, and parameters per tensor, per channel or per block."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 9, 3).tolist())
    axis, block = int(rng.integers(3)), int(rng.integers(1, 4))
    sharing = ["tensor", "axis", "block"][seed % 3]
    blocked = tuple(-(-n // block) if i == axis else n for i, n in enumerate(shape))
    scales = {"tensor": (), "axis": (shape[axis],), "block": blocked}[sharing]
    grid = GRIDS[str(rng.choice(["int8", "uint8", "int16", "uint16", "int4", "uint4"]))]
    params = QuantParams(
        grid,
        rng.uniform(0.01, 0.1, scales).astype(np.float32),
        rng.integers(grid.qmin, grid.qmax + 1, scales),
        None if sharing == "tensor" else axis,
        min(block, shape[axis]) if sharing == "block" else None,
    )
    return shape, params


@each_isa
@pytest.mark.parametrize("computed", [False, True])
@pytest.mark.parametrize("seed", range(30))
def test_quantize_and_dequantize_on_every_granularity(
    seed: int, computed: bool, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    shape, params = case(seed)
    rng = np.random.default_rng(seed)
    reach = float(params.scale.max()) * (params.grid.qmax - params.grid.qmin)
    x = rng.uniform(-reach, reach, shape).astype(np.float32)
    x.reshape(-1)[: min(3, x.size)] = np.array([np.nan, np.inf, -np.inf])[: min(3, x.size)]
    parameters = (params.scale, params.zero_point.astype(params.grid.numpy_dtype)) if computed else ()
    q = run(model("QuantizeLinear", (params.grid.dtype, shape), params, computed), tmp_path, x, *parameters)
    np.testing.assert_array_equal(q, affine.quantize(x, params))
    real = run(model("DequantizeLinear", (params.grid.dtype, shape), params, computed), tmp_path, q, *parameters)
    np.testing.assert_array_equal(real, affine.dequantize(q, params))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf, 1e-45])
@pytest.mark.parametrize("dtype", ["uint8", "int16"])
def test_invalid_scales_at_run_time_give_integers_on_the_grid(scale: float, dtype: str, tmp_path: Path) -> None:
    """Scales that are inputs cannot be validated at compile time."""
    params = QuantParams(GRIDS[dtype], np.float32(1), np.int32(3))
    x = np.array([0, 1, -1, np.nan, np.inf, -np.inf], np.float32)
    parameters = (np.array(scale, np.float32), np.array(3, dtype))
    q = run(model("QuantizeLinear", (dtype, x.shape), params, True), tmp_path, x, *parameters)
    assert q.dtype == dtype
    np.testing.assert_array_equal(q[3], 3)


def test_activations_of_four_bits_stay_fused(tmp_path: Path) -> None:
    """4-bit activations are stored as bytes with a narrow grid, and use the 8-bit kernels."""
    params = QuantParams(GRIDS["int4"], np.float32(0.25), np.int32(-2))
    initializers = [
        numpy_helper.from_array(params.scale, "s"),
        helper.make_tensor("z", TensorProto.INT4, (), [-2]),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["r"]),
        helper.make_node("Tanh", ["r"], ["t"]),
        helper.make_node("QuantizeLinear", ["t", "s", "z"], ["u"]),
        helper.make_node("DequantizeLinear", ["u", "s", "z"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (500,)) for name in ("x", "y")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    x = np.random.default_rng(0).normal(size=500, scale=2).astype(np.float32)
    content = compile_model(ir.from_proto(proto))
    assert [operator.kind for operator in read_bundle(content).operators] == ["Quantize", "Lookup", "Dequantize"]
    (tmp_path / "m.oct").write_bytes(content)
    expected = affine.fake_quantize(np.tanh(affine.fake_quantize(x, params).astype(np.float64)), params)
    np.testing.assert_array_equal(octavo.load(tmp_path / "m.oct")(x), expected)


@many
def test_dynamic_quantization_equals_onnx_runtime(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    shift = rng.choice([-3, 0, 3])
    x = (rng.normal(size=(3, 40)) * 10.0 ** rng.integers(-3, 3) + shift).astype(np.float32)
    x = np.zeros_like(x) if seed == 0 else x
    node = helper.make_node("DynamicQuantizeLinear", ["x"], ["y", "s", "z"], name="node")
    results = zip("ysz", (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.UINT8), strict=True)
    outputs = [helper.make_tensor_value_info(name, kind, None) for name, kind in results]
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)], outputs)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "m.oct").write_bytes(compile_model(ir.from_proto(proto)))
    actual = octavo.load(tmp_path / "m.oct").run({"x": x})
    expected = Session(ir.from_proto(proto), threads=1).run({"x": x})
    np.testing.assert_array_equal(actual["z"], expected["z"])
    if seed:
        np.testing.assert_array_equal(actual["s"], expected["s"])
        np.testing.assert_array_equal(actual["y"], expected["y"])
    else:  # ONNX Runtime's scale of zeros is 1; the definition's is 1 / 255
        np.testing.assert_array_equal(actual["y"], np.zeros(x.shape))


def test_float8_inputs_are_refused() -> None:
    node = helper.make_node("DequantizeLinear", ["x", "s"], ["y"], name="node")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT8E4M3FN, (3,))
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, (3,))
    graph = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(np.array(1, np.float32), "s")])
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(ModelError, match="input 'x' is of float8_e4m3fn; the native runtime takes float32, uint8"):
        compile_model(ir.from_proto(proto))


def test_integers_of_16_bits_are_refused_where_no_kernel_takes_them() -> None:
    params = QuantParams(GRIDS["uint16"], np.float32(1), np.int32(0))
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("Transpose", ["q"], ["y"], name="turn"),
    ]
    initializers = [numpy_helper.from_array(params.scale, "s"), numpy_helper.from_array(np.uint16(0).reshape(()), "z")]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (2, 3))
    y = helper.make_tensor_value_info("y", TensorProto.UINT16, (3, 2))
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with pytest.raises(ModelError, match=r"Transpose of uint16 \('turn'\)"):
        compile_model(ir.from_proto(proto))


def test_weights_in_blocks_of_four_bits_run_as_floats(tmp_path: Path) -> None:
    """The reference is ONNX's evaluator; ONNX Runtime rounds the activations of such products to 8 bits."""
    x = np.random.default_rng(0).normal(size=(8, 5, 16)).astype(np.float32)
    quantized = octavo.quantize(ir.from_proto(models.PATTERNS["linear"]()), {"x": x}, target="weight-only-int4").model
    (tmp_path / "m.oct").write_bytes(compile_model(quantized, batch=len(x)))
    (expected,) = ReferenceEvaluator(ir.to_proto(quantized)).run(None, {"x": x})
    np.testing.assert_allclose(octavo.load(tmp_path / "m.oct")(x), expected, rtol=1e-5, atol=1e-5)


def test_a_layer_between_activations_of_16_bits_equals_onnx_runtime(tmp_path: Path) -> None:
    """The rung `mix` makes such layers; their product is computed in float."""
    rng = np.random.default_rng(0)
    arrays = {
        "w": rng.normal(size=(6, 4)).astype(np.float32),
        "a": np.float32(1e-4),
        "a_zero": np.uint16(32768),
        "b": np.float32(3e-4),
        "b_zero": np.uint16(30000),
    }
    initializers = [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "a", "a_zero"], ["a_q"]),
        helper.make_node("DequantizeLinear", ["a_q", "a", "a_zero"], ["a_r"]),
        helper.make_node("MatMul", ["a_r", "w"], ["m"]),
        helper.make_node("QuantizeLinear", ["m", "b", "b_zero"], ["b_q"]),
        helper.make_node("DequantizeLinear", ["b_q", "b", "b_zero"], ["b_r"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, (5, 6))
    y = helper.make_tensor_value_info("b_r", TensorProto.FLOAT, (5, 4))
    graph = helper.make_graph(nodes, "g", [x], [y], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    data = rng.normal(size=(5, 6)).astype(np.float32)
    actual = run(ir.from_proto(proto), tmp_path, data)
    expected = Session(ir.from_proto(proto), threads=1).run({"x": data})["b_r"]
    np.testing.assert_allclose(
        actual, expected, rtol=0, atol=3.1e-4
    )  # the order of float sums may change the rounding of ties
