"""Write a plan into a model: integer constants, and QuantizeLinear/DequantizeLinear around integer layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams, real_range
from octavo.graph.constants import drop_unused
from octavo.graph.passes.require_wide_opset import RequireWideOpsetPass
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.values import named_values
from octavo.graph.weights import Constants, QuantizedConstant

_CLIPPED, _FLOAT = "_clipped", "_float"


def place(model: ir.Model, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants) -> ir.Model:
    """A copy of a prepared float model in which the plan's layers compute on integers (QDQ form).

    Activation `t` becomes `t_quantized` and `t_dequantized`; a graph output keeps its name on the
    dequantized side. Graph inputs and outputs, their types and the model's metadata stay as they are.

    Args:
        model: the model as `prepare` left it and `make_plan` saw it.
        plan: which layers and tensors to quantize.
        activations: QuantParams of every tensor in `plan.tensors`.
        constants: integers of every constant of the plan's layers, from `quantize_constants`.
    """
    return _Placer(model.clone(), plan, activations, constants).place()


def put_on_grid(node: ir.Node) -> ir.Value | None:
    """The tensor that a QuantizeLinear of `place` quantizes: its input, or what the Clip of `place` before it reads."""
    value = node.inputs[0]
    clip = None if value is None else value.producer()
    if value is None or clip is None or clip.op_type != "Clip" or not (value.name or "").endswith(_CLIPPED):
        return value
    before = clip.inputs[0]
    own = before is not None and (value.name or "").removesuffix(_CLIPPED) == (before.name or "").removesuffix(_FLOAT)
    return before if own else value


class _Placer:
    def __init__(
        self, model: ir.Model, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants
    ) -> None:
        self.model, self.graph = model, model.graph
        self.plan, self.activations, self.constants = plan, activations, constants
        self.nodes = {node.name or "": node for node in model.graph}
        self.values = named_values(model.graph)
        self.names = set(self.values) | set(self.nodes)
        self.written = self._written_by_integer_layers()
        self.shared: dict[tuple[str, str, tuple[int, ...], bytes], ir.Value] = {}

    def place(self) -> ir.Model:
        for layer in self.plan.layers.values():
            node = self.nodes[layer.name]
            for index, found in self._constants_of(layer):
                if layer.role == "embedding":
                    self._place_embedding(node, found)
                else:
                    self._place_constant(node, index, found)
        for name in self.plan.tensors:
            self._place_activation(name)
        drop_unused(self.graph)
        return RequireWideOpsetPass()(self.model).model

    def _constants_of(self, layer: LayerPlan) -> list[tuple[int, QuantizedConstant]]:
        return [(index, found) for (name, index), found in self.constants.items() if name == layer.name]

    def _written_by_integer_layers(self) -> set[str]:
        """Tensors that integer layers write on their grids: every reader then sees the rounded values."""
        if not self.plan.target.behind:
            return set()
        written: set[str] = set()
        for layer in self.plan.layers.values():
            if layer.role == "move":
                written.update(value.name or "" for value in self.nodes[layer.name].outputs)
            elif layer.output is not None and self.plan.target.writes_integers(layer.op, bool(layer.fused)):
                written.add(layer.output)
        return written

    def _place_activation(self, name: str) -> None:
        value = self.values[name]
        readers = {(layer.name, i) for layer in self.plan.layers.values() for i, n in layer.inputs.items() if n == name}
        uses = [use for use in value.uses() if name in self.written or (use.node.name, use.idx) in readers]
        hand_over = name in self.written and value.is_graph_output()
        if not uses and not hand_over:
            return
        result = self._quantize_dequantize(value, self.activations[name])
        for use in uses:
            use.node.replace_input_with(use.idx, result)
        if hand_over:
            self._hand_over_output(value, result)

    def _quantize_dequantize(self, value: ir.Value, params: QuantParams) -> ir.Value:
        name = value.name or ""
        parameters = self._parameters(name, params)
        integers = self._value(f"{name}_quantized", _data_type(params), value.shape)
        result = self._value(f"{name}_dequantized", ir.DataType.FLOAT, value.shape)
        clip, clipped = self._clip(value, params)
        nodes = [
            *clip,
            self._node("QuantizeLinear", [clipped, *parameters], integers, f"{name}_QuantizeLinear"),
            self._node("DequantizeLinear", [integers, *parameters], result, f"{name}_DequantizeLinear"),
        ]
        producer = value.producer()
        if producer is not None:
            self.graph.insert_after(producer, nodes)
        else:
            self.graph.insert_before(self.graph[0], nodes)
        return result

    def _clip(self, value: ir.Value, params: QuantParams) -> tuple[list[ir.Node], ir.Value]:
        """Keep a tensor to the grid where QuantizeLinear, which clips at the ends of the type, would not.

        Grids of at least half of the type have none: there it is the engines' kernels that want headroom.
        """
        if params.grid.levels >= 2 ** (params.grid.bits - 1):
            return [], value
        ends = [
            self._initializer(f"{value.name}_{side}", np.asarray(end), ir.DataType.FLOAT)
            for side, end in zip(("low", "high"), real_range(params), strict=True)
        ]
        clipped = self._value(f"{value.name}{_CLIPPED}", ir.DataType.FLOAT, value.shape)
        return [self._node("Clip", [value, *ends], clipped, f"{value.name}_Clip")], clipped

    def _hand_over_output(self, value: ir.Value, result: ir.Value) -> None:
        """Give the graph output's name and type to the dequantized tensor."""
        for index, output in enumerate(self.graph.outputs):
            if output is value:
                self.graph.outputs[index] = result
        public = value.name
        value.name = self._unique(f"{public}{_FLOAT}")
        result.name = public

    def _place_constant(self, node: ir.Node, index: int, found: QuantizedConstant) -> None:
        if found.transposed:
            node.attributes["transB"] = ir.AttrInt64("transB", 1 - _trans_b(node))
        name = found.tensor
        integers = self._initializer(f"{name}_quantized", found.integers, _data_type(found.params))
        result = self._value(f"{name}_dequantized", ir.DataType.FLOAT, ir.Shape(found.integers.shape))
        inputs = [integers, *self._parameters(name, found.params)]
        dequantize = self._node("DequantizeLinear", inputs, result, f"{name}_DequantizeLinear", found.params)
        self.graph.insert_before(node, dequantize)
        node.replace_input_with(index, result)

    def _place_embedding(self, node: ir.Node, found: QuantizedConstant) -> None:
        """Look up integers and dequantize only the rows that were read."""
        name, output = found.tensor, node.outputs[0]
        integers = self._initializer(f"{name}_quantized", found.integers, _data_type(found.params))
        node.replace_input_with(0, integers)
        result = self._value(f"{output.name}_dequantized", ir.DataType.FLOAT, output.shape)
        params = found.params if found.params.axis is None else replace(found.params, axis=-1)
        inputs = [output, *self._parameters(name, found.params)]
        dequantize = self._node("DequantizeLinear", inputs, result, f"{name}_DequantizeLinear", params)
        self.graph.insert_after(node, dequantize)
        for use in list(output.uses()):
            if use.node is not result.producer():
                use.node.replace_input_with(use.idx, result)
        output.type = ir.TensorType(_data_type(found.params))
        if output.is_graph_output():
            self._hand_over_output(output, result)

    def _parameters(self, name: str, params: QuantParams) -> list[ir.Value]:
        """The scale and zero_point inputs; int32 data take no zero_point."""
        scale = self._initializer(f"{name}_scale", params.scale, ir.DataType.FLOAT)
        if params.grid.dtype == "int32":
            return [scale]
        zero_point = params.zero_point.astype(params.grid.numpy_dtype)
        return [scale, self._initializer(f"{name}_zero_point", zero_point, _data_type(params))]

    def _initializer(self, name: str, array: np.ndarray, dtype: ir.DataType) -> ir.Value:
        """A constant of that name; the same content under the same name is stored once."""
        key = (name, dtype.name, array.shape, array.tobytes())
        if key not in self.shared:
            unique = self._unique(name)
            tensor = ir.tensor(np.asarray(array, dtype.numpy(), order="C"), dtype=dtype, name=unique)
            value = ir.Value(name=unique, shape=ir.Shape(array.shape), type=ir.TensorType(dtype), const_value=tensor)
            self.graph.register_initializer(value)
            self.shared[key] = value
        return self.shared[key]

    def _value(self, name: str, dtype: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        return ir.Value(name=self._unique(name), shape=shape, type=ir.TensorType(dtype))

    def _node(
        self, op: str, inputs: list[ir.Value], output: ir.Value, name: str, params: QuantParams | None = None
    ) -> ir.Node:
        given = {} if params is None else {"axis": params.axis, "block_size": params.block_size}
        attributes = {key: number for key, number in given.items() if number is not None}
        return ir.node(op, inputs, attributes, outputs=[output], name=self._unique(name))

    def _unique(self, name: str) -> str:
        candidate, number = name, 1
        while candidate in self.names:
            number += 1
            candidate = f"{name}_{number}"
        self.names.add(candidate)
        return candidate


def _data_type(params: QuantParams) -> ir.DataType:
    return ir.DataType[params.grid.dtype.upper()]


def _trans_b(node: ir.Node) -> int:
    found = node.attributes.get("transB")
    return 0 if found is None else int(found.as_int())
