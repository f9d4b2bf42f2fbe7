"""QOperator models, int32 outputs, and weights with any zero point, against octavo.affine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.instruction_sets import each_isa
from tests.helpers.native_build import ROOT
from tests.helpers.qdq import Qdq, random_bias, random_integers, random_params

import octavo
from octavo import affine
from octavo.affine import GRIDS, QuantParams
from octavo.compiler import compile_model, read_bundle
from octavo.engines.onnxruntime import Session
from octavo.errors import ModelError
from octavo.native import cpu

many = pytest.mark.parametrize("seed", range(12))
few = pytest.mark.parametrize("seed", range(4))
DIGITS = ROOT / "examples" / "digits"
TYPES = {"uint8": TensorProto.UINT8, "int8": TensorProto.INT8, "int32": TensorProto.INT32}


class One:
    """Builder of a model of one operator whose operands are inputs or constants."""

    def __init__(self) -> None:
        self.inputs: list[onnx.ValueInfoProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.names: list[str] = []

    def input(self, array: NDArray[Any]) -> One:
        self.names.append(f"x{len(self.names)}")
        self.inputs.append(helper.make_tensor_value_info(self.names[-1], TYPES[array.dtype.name], array.shape))
        return self

    def constant(self, array: NDArray[Any]) -> One:
        self.names.append(f"c{len(self.names)}")
        contiguous = np.ascontiguousarray(array).reshape(np.shape(array))
        self.constants.append(numpy_helper.from_array(contiguous, self.names[-1]))
        return self

    def params(self, params: QuantParams) -> One:
        """Scale and zero point."""
        return self.constant(params.scale).constant(params.zero_point.astype(params.grid.numpy_dtype))

    def model(self, op: str, dtype: str, domain: str = "", **attributes: Any) -> ir.Model:
        node = helper.make_node(op, self.names, ["y"], name="node", domain=domain, **attributes)
        output = helper.make_tensor_value_info("y", TYPES[dtype], None)
        graph = helper.make_graph([node], "g", self.inputs, [output], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return ir.from_proto(helper.make_model(graph, opset_imports=opsets, ir_version=9))


def run(model: ir.Model, folder: Path, *inputs: NDArray[Any]) -> NDArray[Any]:
    (folder / "m.oct").write_bytes(compile_model(model))
    result = octavo.load(folder / "m.oct")(*inputs)
    assert isinstance(result, np.ndarray)
    return result


def asymmetric_weights(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> tuple[NDArray[Any], QuantParams]:
    """uint8 or int8, per channel or per tensor; the zero point is often a bound of the grid."""
    grid = GRIDS[str(rng.choice(["uint8", "int8"]))]
    channels = (shape[axis],) if rng.integers(2) else ()
    zero_point = rng.choice([grid.qmin, grid.qmax, int(rng.integers(grid.qmin, grid.qmax + 1))], channels)
    params = QuantParams(grid, rng.uniform(0.001, 0.02, channels), zero_point, axis if channels else None)
    return rng.integers(grid.qmin, grid.qmax + 1, shape).astype(grid.numpy_dtype), params


def conv_case(rng: np.random.Generator, spatial: int) -> tuple[NDArray[Any], tuple[int, ...], dict[str, Any]]:
    """Shapes of the activation and the weights, and the attributes."""
    group, group_channels = (int(n) for n in rng.choice([1, 2, 3], 2))
    kernel = rng.integers(1, 4, spatial).tolist()
    moves = {
        "strides": rng.integers(1, 3, spatial).tolist(),
        "pads": [int(rng.integers(0, k)) for k in kernel * 2],
        "dilations": rng.integers(1, 3, spatial).tolist(),
        "group": group,
    }
    shape = (int(rng.integers(1, 3)), group * group_channels, *rng.integers(6, 12, spatial).tolist())
    return np.array(shape), (group * int(rng.choice([1, 3, 17])), group_channels, *kernel), moves


@each_isa
@many
@pytest.mark.parametrize("spatial", [1, 2])
def test_qlinear_conv(spatial: int, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng([seed, spatial])
    shape, w_shape, moves = conv_case(rng, spatial)
    x_params, out_params = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, tuple(shape.tolist()), x_params)
    w, w_params = asymmetric_weights(rng, w_shape, 0)
    bias, _ = random_bias(rng, len(w), x_params, w_params)
    one = One().input(x).params(x_params).constant(w).params(w_params).params(out_params)
    biased = bool(rng.integers(2))
    if biased:
        one.constant(bias)
    expected = affine.conv(x, x_params, w, w_params, out_params, bias if biased else None, **moves)
    np.testing.assert_array_equal(run(one.model("QLinearConv", out_params.grid.dtype, **moves), tmp_path, x), expected)


@each_isa
@many
def test_qlinear_matmul(seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rhs is one matrix, or one per batch entry."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    m, k, n = (int(size) for size in rng.choice([1, 2, 7, 16, 17, 65], 3))
    batch = tuple(rng.integers(1, 4, int(rng.integers(0, 3))).tolist())
    rhs_batch = batch[int(rng.integers(0, len(batch) + 1)) :]
    x_params, out_params = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, (*batch, m, k), x_params)
    w, w_params = asymmetric_weights(rng, (*rhs_batch, k, n), len(rhs_batch) + 1)
    one = One().input(x).params(x_params).constant(w).params(w_params).params(out_params)
    expected = affine.matmul(x, x_params, w, w_params, out_params)
    np.testing.assert_array_equal(run(one.model("QLinearMatMul", out_params.grid.dtype), tmp_path, x), expected)


@few
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_asymmetric_weights_in_qdq_form(dtype: str, seed: int, tmp_path: Path) -> None:
    """With an integer output, and with a float output and a float bias."""
    rng = np.random.default_rng([seed, len(dtype)])
    x_params, out_params = random_params(rng), random_params(rng, 0.5)
    x = random_integers(rng, (5, 33), x_params)
    grid = GRIDS[dtype]
    w_params = QuantParams(grid, rng.uniform(0.001, 0.02, 9), rng.integers(grid.qmin, grid.qmax + 1, 9), 0)
    w = rng.integers(grid.qmin, grid.qmax + 1, (9, 33)).astype(dtype)
    bias = rng.normal(size=9).astype(np.float32)
    model = Qdq()
    inputs = [model.source("x", x.shape, x_params), model.weights("w", w, w_params)]
    model.result(model.quantized(model.node("Gemm", inputs, "a", transB=1), out_params), out_params.grid.dtype)
    model.result(model.node("Gemm", [*inputs, model.constant("b", bias)], "z", transB=1), "float32")
    q, real = octavo.load(model.bundle(tmp_path / "m.oct"))(x)
    expected = affine.gemm(x, x_params, w, w_params, out_params, trans_b=True)
    np.testing.assert_array_equal(q, expected)
    sums = affine.matmul_integer(x, x_params, w.T, QuantParams(grid, w_params.scale, w_params.zero_point, 1))
    scale = np.multiply(x_params.scale, w_params.scale, dtype=np.float32)
    np.testing.assert_array_equal(real, sums.astype(np.float32) * scale + bias)


@each_isa
@many
@pytest.mark.parametrize("computed", [False, True])
def test_conv_integer(computed: bool, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The activation's zero point is a constant or an input."""
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    shape, w_shape, moves = conv_case(rng, 2)
    x_params = random_params(rng)
    x = random_integers(rng, tuple(shape.tolist()), x_params)
    w, w_params = asymmetric_weights(rng, w_shape, 0)
    zero_point = x_params.zero_point.astype(x.dtype)
    one = One().input(x).constant(w)
    one = (one.input if computed else one.constant)(zero_point)
    model = one.constant(w_params.zero_point.astype(w.dtype)).model("ConvInteger", "int32", **moves)
    expected = affine.conv_integer(x, x_params, w, w_params, **moves)
    np.testing.assert_array_equal(run(model, tmp_path, x, *[zero_point] * computed), expected)


@each_isa
@many
@pytest.mark.parametrize("computed", [False, True])
def test_matmul_integer(computed: bool, seed: int, isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_ISA", isa)
    rng = np.random.default_rng(seed)
    m, k, n = (int(size) for size in rng.choice([1, 2, 7, 16, 17, 65], 3))
    batch = tuple(rng.integers(1, 4, int(rng.integers(0, 2))).tolist())
    x_params = random_params(rng)
    x = random_integers(rng, (*batch, m, k), x_params)
    w, w_params = asymmetric_weights(rng, (*batch, k, n), len(batch) + 1)
    zero_point = x_params.zero_point.astype(x.dtype)
    one = One().input(x).constant(w)
    one = (one.input if computed else one.constant)(zero_point)
    model = one.constant(w_params.zero_point.astype(w.dtype)).model("MatMulInteger", "int32")
    expected = affine.matmul_integer(x, x_params, w, w_params)
    np.testing.assert_array_equal(run(model, tmp_path, x, *[zero_point] * computed), expected)


def test_sums_that_could_overflow_are_refused() -> None:
    depth = (2**31 - 1) // 255**2 + 1
    x, w = np.zeros((1, depth), np.uint8), np.zeros((depth, 1), np.uint8)
    with pytest.raises(ModelError, match="MatMulInteger whose accumulator can overflow"):
        compile_model(One().input(x).constant(w).model("MatMulInteger", "int32"))


@few
@pytest.mark.parametrize("op", ["Add", "Mul"])
def test_qlinear_elementwise_operators(op: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    params, out_params = [random_params(rng), random_params(rng)], random_params(rng, 0.1)
    x = [random_integers(rng, shape, p) for shape, p in zip([(2, 3, 5), (3, 1)], params, strict=True)]
    one = One().input(x[0]).params(params[0]).input(x[1]).params(params[1]).params(out_params)
    model = one.model(f"QLinear{op}", out_params.grid.dtype, domain="com.microsoft")
    reference = {"Add": affine.add, "Mul": affine.mul}[op]
    np.testing.assert_array_equal(run(model, tmp_path, *x), reference(x[0], params[0], x[1], params[1], out_params))


@few
def test_qlinear_pools_functions_and_concat(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    x_params, out_params = random_params(rng), random_params(rng)
    x = random_integers(rng, (2, 3, 6, 7), x_params)

    def run_operator(op: str, domain: str = "com.microsoft", **attributes: Any) -> NDArray[Any]:
        one = One().input(x).params(x_params).params(out_params)
        return run(one.model(op, out_params.grid.dtype, domain=domain, **attributes), tmp_path, x)

    np.testing.assert_array_equal(
        run_operator("QLinearGlobalAveragePool", channels_last=0), affine.global_average_pool(x, x_params, out_params)
    )
    np.testing.assert_array_equal(
        run_operator("QLinearAveragePool", kernel_shape=[2, 3]), affine.average_pool(x, x_params, out_params, [2, 3])
    )
    entries = affine.table(lambda v: np.where(v < 0, np.float32(0.1) * v, v), x_params, out_params)
    expected = affine.apply_table(x, entries, x_params.grid)
    np.testing.assert_array_equal(run_operator("QLinearLeakyRelu", alpha=0.1), expected)
    one = One().params(out_params).input(x).params(x_params).input(x).params(x_params)
    model = one.model("QLinearConcat", out_params.grid.dtype, domain="com.microsoft", axis=1)
    expected = affine.concat([x, x], [x_params, x_params], out_params, axis=1)
    np.testing.assert_array_equal(run(model, tmp_path, x, x), expected)


def test_unsupported_attributes_are_refused_by_name() -> None:
    rng = np.random.default_rng(0)
    params = random_params(rng)
    x = random_integers(rng, (2, 6, 7, 3), params)
    one = One().input(x).params(params).params(params)
    with pytest.raises(ModelError, match=r"no kernel for QLinearGlobalAveragePool \('node'\)"):
        compile_model(one.model("QLinearGlobalAveragePool", params.grid.dtype, "com.microsoft", channels_last=1))
    scale = np.array([1], np.uint8)
    one = One().input(x).input(scale).constant(scale).params(params)
    with pytest.raises(ModelError, match=r"no kernel for QLinearSigmoid \('node'\)"):
        compile_model(one.model("QLinearSigmoid", params.grid.dtype, "com.microsoft"))
    with pytest.raises(ModelError, match="QLinearAdd 'node' lacks inputs"):
        compile_model(One().input(x).input(x).constant(scale)
                      .constant(scale).constant(scale).constant(scale).constant(scale).constant(scale).constant(scale)
                      .model("QLinearAdd", "uint8", "com.microsoft"))  # fmt: skip


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("form", "weights"), [("static", "QInt8"), ("static", "QUInt8"), ("dynamic", "QUInt8")])
def test_the_digits_model_quantized_by_onnx_runtime(form: str, weights: str, tmp_path: Path) -> None:
    """QOperator form is equal bit for bit; with dynamic quantization, float sums differ in their last bits."""
    from onnxruntime import quantization

    with np.load(DIGITS / "calib.npz") as file:
        samples = iter([{"image": x[np.newaxis]} for x in file["image"][:20]])
    with np.load(DIGITS / "eval.npz") as file:
        images = file["image"][:64]

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, NDArray[Any]] | None:
            return next(samples, None)

    kind, path = quantization.QuantType[weights], tmp_path / "q.onnx"
    if form == "static":
        types = {"activation_type": quantization.QuantType.QUInt8, "weight_type": kind}
        form_of_operators = quantization.QuantFormat.QOperator
        quantization.quantize_static(DIGITS / "digits.onnx", path, Reader(), form_of_operators, **types)
    else:
        quantization.quantize_dynamic(DIGITS / "digits.onnx", path, weight_type=kind)
    content = compile_model(path, batch=len(images))
    (tmp_path / "m.oct").write_bytes(content)
    actual = octavo.load(tmp_path / "m.oct")(images)
    expected = Session(ir.load(path), threads=1).run({"image": images})["logits"]
    tolerance = 0.0 if form == "static" else 0.01 * float(np.abs(expected).max())
    kinds = {operator.kind for operator in read_bundle(content).operators}
    assert kinds & {"MatMulInteger", "Conv"}
    if weights == "QInt8" and cpu().available[-1] == "avx2":
        pytest.skip("without VNNI, ONNX Runtime's u8·s8 kernels saturate and give no exact result to compare with")
    assert float(np.abs(actual - expected).max()) <= tolerance
    assert "ConvFloat" not in kinds
