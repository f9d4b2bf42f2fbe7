"""Quantize a float ONNX model with the integers and scales of a PyTorch state dict."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from torch import Tensor

from octavo.affine import INT8, UINT8, QuantParams
from octavo.errors import ModelError
from octavo.graph import load, prepare
from octavo.graph.constants import new_constant
from octavo.graph.linear import LINEAR_OPS, MATRIX_PRODUCTS, output_axis
from octavo.graph.place import place
from octavo.graph.plan import LayerPlan, Plan, make_plan
from octavo.graph.preflight import check_target
from octavo.graph.proof import prove
from octavo.graph.weights import Constants, QuantizedConstant, quantize_constants
from octavo.targets import Target, target

_PARAMETER = re.compile(r"(?P<path>.*?)[._](?P<kind>scale|zero_point)(?P<number>_\d+)?")
# Operators whose quantized PyTorch forms have the same parameters at input and output.
_SAME_PARAMETERS = {"AveragePool", "Clip", "GlobalAveragePool", "Relu"}
_PACKED = "._packed_params"
# Name of the QuantStub at the input in PyTorch's tutorials.
_STUB = "quant"


@dataclass
class _Module:
    """Entries of one module in a state dict; `key` is one of its keys, for messages."""

    key: str
    weight: Tensor | None = None
    bias: Tensor | None = None
    scale: float | None = None
    zero_point: int = 0


def from_state_dict(
    model: ir.Model | str | os.PathLike[str],
    state: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    rules: Target | None = None,
) -> ir.Model:
    """Return the float ONNX model with the integers, scales and zero points of the state dict, in QDQ form.

    A layer is matched by the name of its weight (`conv1.weight`) or of its node (`conv1`, `/conv1/Conv`); layers
    without integers in the state dict stay in float. The scale of a graph input is that of the module `quant`, or
    FX's `<layer>_input_scale_0`.

    Args:
        model: float model that was quantized, or its file.
        state: state dict of modules of torch.ao.nn.quantized: `<path>.weight` a quantized tensor of qint8 or
            `<path>._packed_params._packed_params`, `<path>.bias`, `<path>.scale`, `<path>.zero_point`.
        names: maps graph inputs or nodes to module paths where the names differ, for example
            `{"/Add": "skip_add"}`; FX's `_scale_3` and `_zero_point_3` have the path `_3`.
        rules: target whose rules decide which operators are quantized; fbgemm by default.

    Raises:
        ModelError: the file cannot be read, a key has no counterpart in the model, a tensor has no key, a weight has
            another shape, or an accumulator could overflow.
        DependencyError: PyTorch is not installed.
    """
    rules = rules or target("fbgemm")
    prepared = prepare(model if isinstance(model, ir.Model) else load(model))
    return _Reader(prepared, _read_modules(state), dict(names or {}), rules).read()


def _read_modules(state: Mapping[str, Any]) -> dict[str, _Module]:
    """Group the entries of the state dict by module path; float entries other than biases are ignored."""
    modules: dict[str, _Module] = {}
    for key, value in state.items():
        parameter = _PARAMETER.fullmatch(key)
        if parameter is not None:
            module = modules.setdefault(parameter["path"] + (parameter["number"] or ""), _Module(key))
            setattr(module, parameter["kind"], value.item() if hasattr(value, "item") else value)
        elif key.endswith(2 * _PACKED):
            module = modules.setdefault(key[: -len(2 * _PACKED)], _Module(key))
            module.weight, module.bias = value[0], value[1]
        elif key.endswith(".weight") and getattr(value, "is_quantized", False):
            path = key.removesuffix(".weight")
            module = modules.setdefault(path, _Module(key))
            module.weight, module.bias = value, state.get(f"{path}.bias")
    if not any(module.weight is not None for module in modules.values()):
        raise ModelError(
            "the state dict has no quantized weights; use that of the converted module, not of the prepared one"
        )
    return modules


class _Reader:
    def __init__(self, model: ir.Model, modules: dict[str, _Module], names: dict[str, str], rules: Target) -> None:
        self.model, self.modules, self.names, self.rules = model, modules, names, rules
        self.nodes = {node.name or "": node for node in model.graph}
        self.used: set[str] = set()
        for name, path in names.items():
            if path not in modules:
                raise ModelError(
                    f"names maps '{name}' to module '{path}', but the state dict has no keys of that module"
                )

    def read(self) -> ir.Model:
        plan = make_plan(self.model, self.rules, left_out=self._float_layers())
        weights = {(layer.name, 1): self._weight(layer) for layer in plan.layers.values() if layer.op in LINEAR_OPS}
        activations: dict[str, QuantParams] = {}
        for name, tensor in plan.tensors.items():
            if tensor.source not in activations:
                activations[tensor.source] = self._activation(plan, tensor.source, activations)
            activations[name] = activations[tensor.source]
        self._check_keys()
        constants = quantize_constants(self.model, plan, activations, weights)
        self._check_constants(plan, activations, constants, weights)
        result = place(self.model, plan, activations, constants)
        check_target(result, self.rules)
        return result

    def _float_layers(self) -> dict[str, str]:
        """Layers without integers in the state dict, with the reason for leaving them in float."""
        return {
            name: "the state dict has no integers of its weights"
            for name, node in self.nodes.items()
            if node.op_type in LINEAR_OPS and (self._path(node) is None or self._module(node).weight is None)
        }

    def _path(self, node: ir.Node) -> str | None:
        """Path of the module that a node comes from: from `names`, its weight's name, or its own name."""
        name = node.name or ""
        weight = node.inputs[1].name if len(node.inputs) > 1 and node.inputs[1] is not None else None
        scope = name.strip("/").rpartition("/")[0].replace("/", ".")
        candidates = [self.names.get(name), (weight or "").removesuffix(".weight"), name, scope]
        return next((path for path in candidates if path and path in self.modules), None)

    def _module(self, node: ir.Node) -> _Module:
        path = self._path(node)
        assert path is not None
        return self.modules[path]

    def _weight(self, layer: LayerPlan) -> QuantizedConstant:
        """Integers of a layer in the layout of the model's weight; also sets the float bias in the model."""
        node = self.nodes[layer.name]
        module, value = self._module(node), node.inputs[1]
        assert value is not None
        assert value.shape is not None
        integers, params = _integers(module)
        if node.op_type in MATRIX_PRODUCTS and output_axis(node, 1, integers.ndim) == 1:
            axis = None if params.axis is None else 1 - params.axis
            integers = np.ascontiguousarray(integers.T)
            params = QuantParams(params.grid, params.scale, params.zero_point, axis)
        if integers.shape != tuple(value.shape):
            raise ModelError(
                f"'{module.key}' has shape {integers.shape} but the weight of {node.op_type} '{node.name}' has "
                f"{tuple(value.shape)}; give the float model that was quantized"
            )
        if module.bias is not None and layer.bias is not None:
            bias = module.bias.detach().numpy().astype(np.float32)
            node.replace_input_with(layer.bias, new_constant(self.model.graph, f"{self._path(node)}.given_bias", bias))
        return QuantizedConstant(value.name or "", integers, params)

    def _activation(self, plan: Plan, tensor: str, known: Mapping[str, QuantParams]) -> QuantParams:
        layer = next((layer for layer in plan.layers.values() if layer.output == tensor), None)
        node = self.nodes[layer.name] if layer is not None else self._producer(tensor)
        for path in self._activation_paths(plan, tensor, layer, node):
            if path in self.modules and self.modules[path].scale is not None:
                self.used.add(path)
                return _quint8(self.modules[path])
        if layer is not None and layer.op in _SAME_PARAMETERS and plan.tensors[layer.inputs[0]].source in known:
            return known[plan.tensors[layer.inputs[0]].source]
        where = f"graph input '{tensor}'" if node is None else f"'{tensor}' of {node.op_type} '{node.name}'"
        raise ModelError(
            f"the state dict has no scale for {where}; map it to its module in `names`, or read the module itself with "
            "from_quantized"
        )

    def _activation_paths(
        self, plan: Plan, tensor: str, layer: LayerPlan | None, node: ir.Node | None
    ) -> list[str | None]:
        """Module paths that may hold the scale of a tensor, most specific first."""
        paths = [self.names.get(tensor), None if node is None else self._path(node)]
        if layer is not None:
            paths += [self.names.get(fused) for fused in layer.fused]
        if node is None:
            paths.append(_STUB)
        readers = [self._path(self.nodes[r.name]) for r in plan.layers.values() if tensor in r.inputs.values()]
        return paths + [f"{(path or '').replace('.', '_')}_input_0" for path in readers]

    def _producer(self, tensor: str) -> ir.Node | None:
        return next((node for node in self.nodes.values() for value in node.outputs if value.name == tensor), None)

    def _check_keys(self) -> None:
        """Check that every scale and every weight of the state dict was used."""
        layers = {self._path(node) for node in self.nodes.values()}
        placed = {(self.modules[path].scale, self.modules[path].zero_point) for path in self.used}
        for path, module in self.modules.items():
            # FX repeats a scale under a numbered name after operators that only move elements.
            if re.search(r"_\d+$", path) and (module.scale, module.zero_point) in placed:
                continue
            if path not in self.used and (module.scale is not None or path not in layers):
                raise ModelError(
                    f"'{module.key}' of the state dict has no counterpart in the model; map its node or input in "
                    "`names`, or read the module itself with from_quantized"
                )

    def _check_constants(
        self, plan: Plan, activations: Mapping[str, QuantParams], constants: Constants, weights: Constants
    ) -> None:
        """Check that no scale had to change for the bias, and that no accumulator can overflow."""
        for (name, index), weight in weights.items():
            if not np.array_equal(constants[name, index].params.scale, weight.params.scale):
                raise ModelError(
                    f"the bias of {self.nodes[name].op_type} '{name}' does not fit 32 bits at the state dict's scales; "
                    "quantize the model again"
                )
        for proof in prove(self.model, plan, activations, constants):
            if not proof.holds:
                raise ModelError(
                    f"the accumulator of {proof.op} '{proof.layer}' could reach {proof.bound}, beyond 32 bits; "
                    "quantize the model again"
                )


def _integers(module: _Module) -> tuple[np.ndarray, QuantParams]:
    """Integers (int8) and parameters of a quantized weight."""
    tensor = module.weight
    assert tensor is not None
    if tensor.dtype != torch.qint8:
        raise ModelError(f"'{module.key}' holds {tensor.dtype}; only weights of torch.qint8 can be read")
    integers: np.ndarray = tensor.int_repr().numpy()
    if "per_channel" not in str(tensor.qscheme()):
        scale, zero_point = np.float32(tensor.q_scale()), np.int32(tensor.q_zero_point())
        return integers, QuantParams(INT8, np.asarray(scale), np.asarray(zero_point))
    scales = tensor.q_per_channel_scales().numpy().astype(np.float32)
    zero_points = tensor.q_per_channel_zero_points().numpy().astype(np.int32)
    return integers, QuantParams(INT8, scales, zero_points, tensor.q_per_channel_axis())


def _quint8(module: _Module) -> QuantParams:
    """Parameters of an activation; state dicts omit its dtype, which in PyTorch's engines is always quint8."""
    return QuantParams(UINT8, np.asarray(module.scale, np.float32), np.asarray(module.zero_point, np.int32))
