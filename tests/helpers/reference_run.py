"""Integer execution of a QDQ model with the NumPy reference operators, for comparison with engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tests.helpers.models import Arrays, run

from octavo.affine import GRIDS, QuantParams, bias_scale, dequantize, quantize
from octavo.affine import operators as integer
from octavo.affine.convolution import conv, conv_integer
from octavo.affine.pooling import average_pool, global_average_pool, max_pool

Array = NDArray[Any]

_MOVES = {"Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Slice"}


@dataclass(frozen=True)
class QuantizedTensor:
    """A quantized tensor: integers and their quantization parameters."""

    integers: Array
    params: QuantParams

    @property
    def real(self) -> NDArray[np.float32]:
        """The dequantized values."""
        return dequantize(self.integers, self.params)


class Reference:
    """The tensors of a QDQ model for some inputs, computed lazily and cached.

    Operators with quantized inputs run on integers; `floats` lists the nodes that did not.
    `known` maps names of tensors to integers that are used instead of computing them.
    """

    def __init__(self, model: onnx.ModelProto, inputs: Mapping[str, Array], known: Arrays | None = None) -> None:
        self.model, self.inputs, self.known = model, inputs, known or {}
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.writers = {name: node for node in model.graph.node for name in node.output}
        self.values: Arrays = {}
        self.integer_nodes: set[str] = set()
        self.float_nodes: set[str] = set()

    def output(self, name: str) -> Array:
        """A tensor of the graph, float or quantized as in the model."""
        if name in self.constants:
            return self.constants[name]
        if name in self.inputs:
            return self.inputs[name]
        if name not in self.values:
            self.values[name] = self._computed(self.writers[name], name)
        return self.values[name]

    def integers(self, name: str) -> Array:
        """The result of a QuantizeLinear, computed from the integer operands of the layer before it."""
        params = self._params(self.writers[name])
        layer, bounds = self._layer(name)
        if layer is None:
            return quantize(self.output(self.writers[name].input[0]), params)
        low, high = params.grid.qmin, params.grid.qmax
        if bounds is not None:
            # Quantization is monotonic, so bounds may be applied before or after it.
            low, high = (int(q) for q in quantize(np.asarray(self._ends(bounds)), params))
            self.integer_nodes.add(bounds.name)
        self.integer_nodes.add(layer.name)
        return np.clip(self._integer(layer, params), low, high)

    def is_behind_floats(self, name: str) -> bool:
        """Whether a QuantizeLinear's input is computed in float; false for graph inputs."""
        return self._layer(name)[0] is None and self.writers[name].input[0] in self.writers

    def operator(self, name: str) -> str:
        """The operator type of the integer layer before a QuantizeLinear; empty if there is none."""
        layer, _ = self._layer(name)
        return "" if layer is None else layer.op_type

    def _layer(self, name: str) -> tuple[onnx.NodeProto | None, onnx.NodeProto | None]:
        """The integer layer before a QuantizeLinear, and the Relu or Clip between them."""
        writer, bounds = self.writers.get(self.writers[name].input[0]), None
        if writer is not None and writer.op_type in ("Relu", "Clip") and not self._is_quantized(writer.input[0]):
            writer, bounds = self.writers.get(writer.input[0]), writer
        return (writer, bounds) if writer is not None and self._fits(writer) else (None, None)

    def _computed(self, node: onnx.NodeProto, name: str) -> Array:
        if node.op_type == "QuantizeLinear":
            return self.known[name] if name in self.known else self.integers(name)
        if node.op_type == "DequantizeLinear":
            return self._quantized(name).real
        if node.op_type in ("Gemm", "MatMul", "Conv") and self._fits(node):
            self.integer_nodes.add(node.name)
            return self._real_result(node)
        self.float_nodes.add(node.name)
        return self._in_float(node, name)

    def _quantized(self, name: str) -> QuantizedTensor:
        node = self.writers[name]
        return QuantizedTensor(self.output(node.input[0]), self._params(node))

    def _params(self, node: onnx.NodeProto) -> QuantParams:
        scale = self.constants[node.input[1]]
        if len(node.input) > 2:
            zero_point = self.constants[node.input[2]]
        else:
            zero_point = np.zeros(scale.shape, self.constants[node.input[0]].dtype)
        axis = _attributes(node).get("axis", 1) if scale.ndim else None
        return QuantParams(GRIDS[str(zero_point.dtype)], scale, zero_point.astype(np.int32), axis)

    def _fits(self, node: onnx.NodeProto) -> bool:
        """Whether all operands of the node are quantized."""
        data = node.input[:1] if node.op_type in _MOVES else node.input
        writer_types = [self.writers[name].op_type for name in data if name in self.writers]
        return writer_types == ["DequantizeLinear"] * len(data)

    def _ends(self, node: onnx.NodeProto) -> list[float]:
        """The bounds of a Relu or Clip."""
        if node.op_type == "Relu":
            return [0.0, np.inf]
        names = [*node.input[1:], "", ""]
        ends = zip(names, (-np.inf, np.inf), strict=False)
        return [float(self.constants[name]) if name else end for name, end in ends]

    def _integer(self, node: onnx.NodeProto, out: QuantParams) -> Array:
        """The result of a node with quantized operands, requantized to `out`."""
        attributes = _attributes(node)
        operands = [self._quantized(name) for name in node.input if self._is_quantized(name)]
        first = operands[0]
        pairs = [part for operand in operands[:2] for part in (operand.integers, operand.params)]
        match node.op_type:
            case "Conv":
                return conv(*pairs, out, self._bias(operands), **_window(attributes))
            case "Gemm":
                transposed = {"trans_a": bool(attributes.get("transA")), "trans_b": bool(attributes.get("transB"))}
                return integer.gemm(*pairs, out, self._bias(operands), **transposed)
            case "MatMul":
                return integer.matmul(*pairs, out)
            case "Add":
                return integer.add(*pairs, out)
            case "Mul":
                return integer.mul(*pairs, out)
            case "Concat":
                joined = [operand.integers for operand in operands], [operand.params for operand in operands]
                return integer.concat(*joined, out, axis=attributes["axis"])
            case "GlobalAveragePool":
                return global_average_pool(first.integers, first.params, out)
            case "AveragePool":
                counted = bool(attributes.get("count_include_pad"))
                window = {key: value for key, value in _window(attributes).items() if key != "group"}
                return average_pool(
                    first.integers, first.params, out, attributes["kernel_shape"], count_include_pad=counted, **window
                )
            case "MaxPool":
                window = {key: value for key, value in _window(attributes).items() if key != "group"}
                return max_pool(first.integers, first.params, out, attributes["kernel_shape"], **window)
            case op if op in _MOVES:
                moved = self._in_float(node, node.output[0], first.integers)
                return quantize(dequantize(moved, first.params), out)
        raise NotImplementedError(f"{node.op_type} has no integer reference here")

    def _real_result(self, node: onnx.NodeProto) -> Array:
        """A product with float output: the exact accumulator times its scale, Sx * Sw."""
        attributes = _attributes(node)
        x, w, *_ = operands = [self._quantized(name) for name in node.input]
        if node.op_type == "Conv":
            sums = conv_integer(x.integers, x.params, w.integers, w.params, **_window(attributes))
            channels: tuple[int, ...] = (-1, *[1] * (sums.ndim - 2))
        else:
            assert not attributes.get("transA")
            transposed = bool(attributes.get("transB"))
            axis = w.params.axis if not transposed or w.params.axis is None else 1 - w.params.axis
            params = QuantParams(w.params.grid, w.params.scale, w.params.zero_point, axis)
            factor = w.integers.T if transposed else w.integers
            sums, channels = integer.matmul_integer(x.integers, x.params, factor, params), (-1,)
        bias = self._bias(operands)
        total = sums if bias is None else sums + bias.reshape(channels).astype(np.int64)
        step = bias_scale(x.params.scale, w.params.scale)
        return np.asarray(total.astype(np.float32) * (step.reshape(channels) if step.ndim else step))

    def _bias(self, operands: list[QuantizedTensor]) -> Array | None:
        if len(operands) < 3:
            return None
        x, w, bias = operands
        step = np.broadcast_to(bias_scale(x.params.scale, w.params.scale), bias.params.scale.shape)
        assert np.array_equal(bias.params.scale, step), "a bias must be in steps of the accumulator"
        return bias.integers

    def _is_quantized(self, name: str) -> bool:
        return name in self.writers and self.writers[name].op_type == "DequantizeLinear"

    def _in_float(self, node: onnx.NodeProto, name: str, first: Array | None = None) -> Array:
        """The result of the node alone in ONNX Runtime, without Q/DQ."""
        arrays = {value: self.output(value) for value in node.input if value}
        if first is not None:
            arrays[node.input[0]] = first
        inputs = [
            helper.make_tensor_value_info(key, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for key, array in arrays.items()
        ]
        of_type = helper.np_dtype_to_tensor_dtype(next(iter(arrays.values())).dtype)
        graph = helper.make_graph([node], "one", inputs, [helper.make_tensor_value_info(name, of_type, None)])
        model = helper.make_model(graph, opset_imports=self.model.opset_import)
        model.ir_version = self.model.ir_version
        return run(model, arrays)[name]


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert attributes.get("auto_pad", b"NOTSET") == b"NOTSET", "pads are read as stated"
    assert not attributes.get("ceil_mode"), "pools are rounded down"
    return attributes


def _window(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: attributes[key] for key in ("strides", "pads", "dilations", "group") if key in attributes}
