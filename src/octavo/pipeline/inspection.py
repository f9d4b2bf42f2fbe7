"""Inspect a float model before quantization: which operators become integer, sizes, and overflow bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from octavo.affine import QuantParams
from octavo.graph import TensorSpec, input_specs, output_specs, prepare
from octavo.graph.plan import Plan, TensorPlan, make_plan
from octavo.graph.proof import OverflowProof, prove
from octavo.graph.size import tensor_bytes
from octavo.graph.weights import quantize_constants
from octavo.pipeline.model_source import read_model
from octavo.pipeline.sources import OnnxSource
from octavo.targets import Target
from octavo.targets import target as find_target

_SCALE_BYTES = 4


@dataclass(frozen=True)
class Operator:
    """An operator of the prepared model.

    Attributes:
        name: name of the node.
        op: operator type.
        integer: whether it becomes integer.
        becomes: grids of its operands, "fused" or "float".
        bound: largest magnitude of its accumulator without bias; None where it has none.
        why: why it stays in float, or what it is fused into; empty for a layer.
    """

    name: str
    op: str
    integer: bool
    becomes: str
    bound: int | None
    why: str


@dataclass(frozen=True)
class Inspection:
    """What is known of a model without data.

    Attributes:
        target: the target's name.
        opset: version of the ONNX operator set.
        inputs: the model's inputs.
        outputs: the model's outputs.
        operators: the operators of the prepared model, in graph order.
        float_bytes: size of the stored tensors.
        integer_bytes: size of the stored tensors after quantization.
    """

    target: str
    opset: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    operators: list[Operator]
    float_bytes: int
    integer_bytes: int

    @property
    def integer_operators(self) -> int:
        """Number of operators that become integer."""
        return sum(operator.integer for operator in self.operators)


def inspect(model: OnnxSource, target: str | Target = "auto", exclude: Sequence[str] = ()) -> Inspection:
    """Plan the quantization of a float model for a target, without data.

    Args:
        model: the path of an ONNX file, or the model in memory.
        target: a target's name, "auto" for this machine's, the path of a target file, or a Target.
        exclude: node names, operator types, or regular expressions of node names to leave in float.

    Raises:
        ModelError: the model cannot be read.
        TargetError: the target is unknown.
        OptionError: an exclusion matches nothing.
    """
    selected = find_target(target)
    loaded, _ = read_model(model)
    prepared = prepare(loaded)
    plan = make_plan(prepared, selected, exclude)
    proofs = {proof.layer: proof for proof in _proofs(prepared, plan)}
    stored = tensor_bytes(prepared)
    return Inspection(
        target=selected.name,
        opset=loaded.opset_imports.get("", 0),
        inputs=input_specs(loaded),
        outputs=output_specs(loaded),
        operators=[_operator(node, plan, proofs.get(node.name or "")) for node in prepared.graph],
        float_bytes=stored,
        integer_bytes=stored - _saved_bytes(prepared, plan),
    )


def _proofs(model: ir.Model, plan: Plan) -> list[OverflowProof]:
    """Bounds for the worst zero point of each input; biases are left out, for they need data."""
    worst = {name: _worst_parameters(tensor) for name, tensor in plan.tensors.items()}
    constants = quantize_constants(model, plan, worst)
    weights = {key: constant for key, constant in constants.items() if constant.params.grid.dtype != "int32"}
    return prove(model, plan, worst, weights)


def _worst_parameters(tensor: TensorPlan) -> QuantParams:
    """Parameters with the zero point as far from an end of the grid as possible."""
    zero_point = tensor.grid.middle if tensor.symmetric else tensor.grid.qmin
    return QuantParams(tensor.grid, np.ones((), np.float32), np.array(zero_point, np.int32))


def _operator(node: ir.Node, plan: Plan, proof: OverflowProof | None) -> Operator:
    name = node.name or ""
    layer = plan.layers.get(name)
    bound = None if proof is None else proof.bound
    if layer is not None:
        grids = [str(weight.grid) for weight in layer.weights]
        grids += [str(plan.tensors[tensor].grid) for tensor in layer.inputs.values()]
        kind = "" if layer.role == "compute" else f" ({layer.role})"
        return Operator(name, node.op_type, True, f"{'·'.join(dict.fromkeys(grids))}{kind}", bound, "")
    host = next((layer for layer in plan.layers.values() if name in layer.fused), None)
    if host is not None:
        return Operator(name, node.op_type, True, "fused", None, f"into {host.op} '{host.name}'")
    why = next((left.why for left in plan.left_float if left.name == name), "works on shapes or indices")
    return Operator(name, node.op_type, False, "float", None, why)


def _saved_bytes(model: ir.Model, plan: Plan) -> int:
    """Bytes saved by storing weights as integers; a shared tensor counts once."""
    weights = {weight.tensor: weight for layer in plan.layers.values() for weight in layer.weights}
    saved = 0
    for name, weight in weights.items():
        value = model.graph.initializers.get(name)
        if value is not None and value.const_value is not None:
            scales = 0.0 if weight.block_size is None else _SCALE_BYTES / weight.block_size
            saved += int(value.const_value.size * (4 - weight.grid.bits / 8 - scales))
    return saved
