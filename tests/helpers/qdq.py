"""Tiny QDQ models of one operator with integer inputs and outputs, compiled and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from octavo.affine import GRIDS, INT8, QuantParams
from octavo.compiler import compile_model
from octavo.engines.native import NativeSession

Integers = NDArray[Any]
_TYPES = {
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
}


class Qdq:
    """A model builder. Methods return the names of values."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, array: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array).reshape(np.shape(array)), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=f"{output}_node", **attributes))
        return output

    def input(self, name: str, shape: tuple[int | str, ...], dtype: str = "float32") -> str:
        self.inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], shape))
        return name

    def source(self, name: str, shape: tuple[int | str, ...], params: QuantParams) -> str:
        """A quantized input and its DequantizeLinear."""
        self.input(name, shape, params.grid.dtype)
        return self.dequantized(name, params)

    def weights(self, name: str, integers: Integers, params: QuantParams) -> str:
        """Quantized constants and their DequantizeLinear."""
        return self.dequantized(self.constant(name, integers), params)

    def dequantized(self, name: str, params: QuantParams) -> str:
        axis = {} if params.axis is None else {"axis": params.axis}
        inputs = [name, *self._parameters(f"{name}_in", params)]
        return self.node("DequantizeLinear", inputs, f"{name}_real", **axis)

    def quantized(self, name: str, params: QuantParams) -> str:
        return self.node("QuantizeLinear", [name, *self._parameters(f"{name}_out", params)], f"{name}_q")

    def result(self, name: str, dtype: str) -> str:
        self.outputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], None))
        return name

    def proto(self) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "g", self.inputs, self.outputs, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

    def bundle(self, path: Path) -> Path:
        path.write_bytes(compile_model(ir.from_proto(self.proto())))
        return path

    def run(self, folder: Path, *inputs: NDArray[Any]) -> NDArray[Any]:
        result = NativeSession(self.bundle(folder / "model.oct"))(*inputs)
        assert isinstance(result, np.ndarray)
        return result

    def _parameters(self, name: str, params: QuantParams) -> list[str]:
        scale = self.constant(f"{name}_scale", params.scale)
        if params.grid.dtype == "int32":
            return [scale]
        return [scale, self.constant(f"{name}_zero", params.zero_point.astype(params.grid.numpy_dtype))]


def random_params(rng: np.random.Generator, scale: float = 0.05) -> QuantParams:
    """Parameters of an int8 or uint8 grid; the zero point is often at a bound."""
    grid = GRIDS[str(rng.choice(["uint8", "int8"]))]
    zero_point = int(rng.choice([grid.qmin, grid.qmax, rng.integers(grid.qmin, grid.qmax + 1)]))
    return QuantParams(grid, np.float32(scale * rng.uniform(0.5, 2)), np.int32(zero_point))


def random_integers(rng: np.random.Generator, shape: tuple[int, ...], params: QuantParams) -> Integers:
    """Integers on the grid; with probability 1/3 only at its bounds."""
    grid = params.grid
    if rng.integers(3) == 0:
        return rng.choice([grid.qmin, grid.qmax], shape).astype(grid.numpy_dtype)
    return rng.integers(grid.qmin, grid.qmax + 1, shape).astype(grid.numpy_dtype)


def random_weights(rng: np.random.Generator, shape: tuple[int, ...], axis: int) -> tuple[Integers, QuantParams]:
    """int8 weights, per channel or per tensor."""
    channels = shape[axis]
    per_channel = bool(rng.integers(2))
    scale = rng.uniform(0.001, 0.02, channels if per_channel else ()).astype(np.float32)
    params = QuantParams(INT8, scale, np.zeros(scale.shape, np.int32), axis if per_channel else None)
    return rng.integers(-127, 128, shape).astype(np.int8), params


def random_bias(
    rng: np.random.Generator, channels: int, x: QuantParams, w: QuantParams
) -> tuple[NDArray[np.int32], QuantParams]:
    scale = (x.scale * np.broadcast_to(w.scale, (channels,))).astype(np.float32)
    params = QuantParams(GRIDS["int32"], scale, np.zeros(channels, np.int32), 0)
    return rng.integers(-5000, 5000, channels).astype(np.int32), params
