"""Apply a plan to a model: integer constants, and QuantizeLinear/DequantizeLinear (QDQ) around integer layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams, real_range
from octavo.graph.attributes import attribute
from octavo.graph.constants import drop_unused
from octavo.graph.passes.require_wide_opset import RequireWideOpsetPass
from octavo.graph.plan import LayerPlan, Plan
from octavo.graph.values import named_values
from octavo.graph.weights import Constants, QuantizedConstant

_CLIPPED, _FLOAT = "_clipped", "_float"


def place(model: ir.Model, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants) -> ir.Model:
    """Return a copy of a prepared float model with the plan's layers in QDQ form.

    Activation `t` becomes `t_quantized` and `t_dequantized`; a graph output keeps its name on the
    dequantized side. Graph inputs and outputs, their types and the model's metadata are unchanged.

    Args:
        model: the prepared model that `make_plan` planned; it is not modified.
        plan: the layers and tensors to quantize.
        activations: parameters of every tensor in `plan.tensors`.
        constants: integers of every constant of the plan's layers, from `quantize_constants`.
    """
    return _Placer(model.clone(), plan, activations, constants).place()


def put_on_grid(node: ir.Node) -> ir.Value | None:
    """The float tensor that a QuantizeLinear written by `place` quantizes.

    Its input, or the input of the Clip that `place` puts in front of narrow grids.
    """
    value = node.inputs[0]
    clip = None if value is None else value.producer()
    if value is None or clip is None or clip.op_type != "Clip" or not (value.name or "").endswith(_CLIPPED):
        return value
    before = clip.inputs[0]
    is_placed = before is not None and (value.name or "").removesuffix(_CLIPPED) == (before.name or "").removesuffix(
        _FLOAT
    )
    return before if is_placed else value


class _Placer:
    def __init__(
        self, model: ir.Model, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants
    ) -> None:
        self.model, self.graph = model, model.graph
        self.plan, self.activations, self.constants = plan, activations, constants
        self.nodes = {node.name or "": node for node in model.graph}
        self.values = named_values(model.graph)
        self.names = set(self.values) | set(self.nodes)
        self.integer_outputs = self._written_by_integer_layers()
        self.initializers: dict[tuple[str, str, tuple[int, ...], bytes], ir.Value] = {}

    def place(self) -> ir.Model:
        for layer in self.plan.layers.values():
            node = self.nodes[layer.name]
            for index, constant in self._constants_of(layer):
                if layer.role == "embedding":
                    self._place_embedding(node, constant)
                else:
                    self._place_constant(node, index, constant)
        for name in self.plan.tensors:
            self._place_activation(name)
        drop_unused(self.graph)
        return RequireWideOpsetPass()(self.model).model

    def _constants_of(self, layer: LayerPlan) -> list[tuple[int, QuantizedConstant]]:
        return [(index, constant) for (name, index), constant in self.constants.items() if name == layer.name]

    def _written_by_integer_layers(self) -> set[str]:
        """Tensors that integer layers write as integers; all their readers then read the dequantized tensor."""
        if not self.plan.target.behind:
            return set()
        names: set[str] = set()
        for layer in self.plan.layers.values():
            if layer.role == "move":
                names.update(value.name or "" for value in self.nodes[layer.name].outputs)
            elif layer.output is not None and self.plan.target.writes_integers(layer.op, bool(layer.fused)):
                names.add(layer.output)
        return names

    def _place_activation(self, name: str) -> None:
        value = self.values[name]
        readers = {(layer.name, i) for layer in self.plan.layers.values() for i, n in layer.inputs.items() if n == name}
        uses = [use for use in value.uses() if name in self.integer_outputs or (use.node.name, use.idx) in readers]
        renames_output = name in self.integer_outputs and value.is_graph_output()
        if not uses and not renames_output:
            return
        result = self._quantize_dequantize(value, self.activations[name])
        for use in uses:
            use.node.replace_input_with(use.idx, result)
        if renames_output:
            self._rename_output(value, result)

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
        """A Clip in front of QuantizeLinear, which clips to its type only, if the grid is narrower than the type.

        Grids of at least half the type's levels get none: they are narrow for the headroom of kernels only.

        Returns:
            The nodes to insert (none or one), and the tensor to quantize.
        """
        if params.grid.levels >= 2 ** (params.grid.bits - 1):
            return [], value
        ends = [
            self._initializer(f"{value.name}_{side}", np.asarray(end), ir.DataType.FLOAT)
            for side, end in zip(("low", "high"), real_range(params), strict=True)
        ]
        clipped = self._value(f"{value.name}{_CLIPPED}", ir.DataType.FLOAT, value.shape)
        return [self._node("Clip", [value, *ends], clipped, f"{value.name}_Clip")], clipped

    def _rename_output(self, value: ir.Value, result: ir.Value) -> None:
        """Make the dequantized tensor the graph output, under the same name."""
        for index, output in enumerate(self.graph.outputs):
            if output is value:
                self.graph.outputs[index] = result
        public = value.name
        value.name = self._unique(f"{public}{_FLOAT}")
        result.name = public

    def _place_constant(self, node: ir.Node, index: int, constant: QuantizedConstant) -> None:
        if constant.transposed:
            node.attributes["transB"] = ir.AttrInt64("transB", 1 - int(attribute(node, "transB", 0)))
        name = constant.tensor
        integers = self._initializer(f"{name}_quantized", constant.integers, _data_type(constant.params))
        result = self._value(f"{name}_dequantized", ir.DataType.FLOAT, ir.Shape(constant.integers.shape))
        inputs = [integers, *self._parameters(name, constant.params)]
        dequantize = self._node("DequantizeLinear", inputs, result, f"{name}_DequantizeLinear", constant.params)
        self.graph.insert_before(node, dequantize)
        node.replace_input_with(index, result)

    def _place_embedding(self, node: ir.Node, constant: QuantizedConstant) -> None:
        """Store the table as integers and dequantize the rows that are looked up."""
        name, output = constant.tensor, node.outputs[0]
        integers = self._initializer(f"{name}_quantized", constant.integers, _data_type(constant.params))
        node.replace_input_with(0, integers)
        result = self._value(f"{output.name}_dequantized", ir.DataType.FLOAT, output.shape)
        params = constant.params if constant.params.axis is None else replace(constant.params, axis=-1)
        inputs = [output, *self._parameters(name, constant.params)]
        dequantize = self._node("DequantizeLinear", inputs, result, f"{name}_DequantizeLinear", params)
        self.graph.insert_after(node, dequantize)
        for use in list(output.uses()):
            if use.node is not result.producer():
                use.node.replace_input_with(use.idx, result)
        output.type = ir.TensorType(_data_type(constant.params))
        if output.is_graph_output():
            self._rename_output(output, result)

    def _parameters(self, name: str, params: QuantParams) -> list[ir.Value]:
        """The scale and zero_point inputs of Q/DQ; int32 data have no zero_point."""
        scale = self._initializer(f"{name}_scale", params.scale, ir.DataType.FLOAT)
        if params.grid.dtype == "int32":
            return [scale]
        zero_point = params.zero_point.astype(params.grid.numpy_dtype)
        return [scale, self._initializer(f"{name}_zero_point", zero_point, _data_type(params))]

    def _initializer(self, name: str, array: np.ndarray, dtype: ir.DataType) -> ir.Value:
        """A constant of that name; the same content under the same name is stored once."""
        key = (name, dtype.name, array.shape, array.tobytes())
        if key not in self.initializers:
            unique = self._unique(name)
            tensor = ir.tensor(np.asarray(array, dtype.numpy(), order="C"), dtype=dtype, name=unique)
            value = ir.Value(name=unique, shape=ir.Shape(array.shape), type=ir.TensorType(dtype), const_value=tensor)
            self.graph.register_initializer(value)
            self.initializers[key] = value
        return self.initializers[key]

    def _value(self, name: str, dtype: ir.DataType, shape: ir.Shape | None) -> ir.Value:
        return ir.Value(name=self._unique(name), shape=shape, type=ir.TensorType(dtype))

    def _node(
        self, op: str, inputs: list[ir.Value], output: ir.Value, name: str, params: QuantParams | None = None
    ) -> ir.Node:
        layout = {} if params is None else {"axis": params.axis, "block_size": params.block_size}
        attributes = {key: number for key, number in layout.items() if number is not None}
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
