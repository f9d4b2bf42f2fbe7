"""Step-by-step quantization of a model for a target, calibrated on a few random inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import onnx_ir as ir
from onnx import TensorProto, helper
from tests.helpers.models import Arrays, feeds, run

from octavo.affine import QuantParams, rule
from octavo.graph import prepare
from octavo.graph.place import place
from octavo.graph.plan import LayerPlan, Plan, make_plan
from octavo.graph.weights import Constants, quantize_constants
from octavo.targets import Target, target

SEEDS = range(4)


@dataclass
class Quantized:
    """The results of all steps from the float model to the quantized one."""

    model: onnx.ModelProto
    prepared: ir.Model
    plan: Plan
    activations: dict[str, QuantParams]
    constants: Constants
    result: ir.Model

    @property
    def proto(self) -> onnx.ModelProto:
        """The quantized model."""
        return ir.to_proto(self.result)

    def layer(self, op: str) -> LayerPlan:
        """The first layer of an operator type."""
        return next(layer for layer in self.plan.layers.values() if layer.op == op)


def quantized(model: onnx.ModelProto, to: str | Target, exclude: Sequence[str] = ()) -> Quantized:
    """The model quantized for a target."""
    prepared = prepare(ir.from_proto(model))
    plan = make_plan(prepared, target(to), exclude)
    activations = ranges(prepared, plan, model)
    constants = quantize_constants(prepared, plan, activations)
    return Quantized(model, prepared, plan, activations, constants, place(prepared, plan, activations, constants))


def ranges(prepared: ir.Model, plan: Plan, model: onnx.ModelProto) -> dict[str, QuantParams]:
    """The quantization parameters of all tensors of the plan, from their minimum and maximum."""
    runs = [observed(prepared, plan.sources, feeds(model, seed)) for seed in SEEDS]
    derive = rule(plan.target.rule).params_from_range
    params_by_tensor = {}
    for name, tensor in plan.tensors.items():
        values = [outputs[tensor.source] for outputs in runs]
        low, high = min(v.min() for v in values), max(v.max() for v in values)
        params_by_tensor[name] = derive(low, high, tensor.grid, symmetric=tensor.symmetric)
    return params_by_tensor


def observed(prepared: ir.Model, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> Arrays:
    """The values of tensors, including inputs."""
    proto = ir.to_proto(prepared)
    del proto.graph.output[:]
    inner = [name for name in names if name not in inputs]
    proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    return {**inputs, **(run(proto, dict(inputs), inner) if inner else {})}
