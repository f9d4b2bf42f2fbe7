"""Comparison of two models on the same samples: outputs, and tensors that both have."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from octavo.data import SampleSet
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.measure.layers import TensorError, counterparts, tensor_errors
from octavo.system.progress import Progress


@dataclass(frozen=True)
class ComparedTensor:
    """A tensor of the first model, its operator, and its error in the second model."""

    name: str
    op: str
    layer: str
    error: TensorError


@dataclass(frozen=True)
class Comparison:
    """Errors of the second model against the first: graph outputs, and intermediate tensors in graph order."""

    outputs: list[ComparedTensor]
    layers: list[ComparedTensor]


def compare(first: ir.Model, second: ir.Model, samples: SampleSet, *, progress: Progress | None = None) -> Comparison:
    """Run both models over the samples; tensors are paired by name, quantized ones with their float origin.

    Raises:
        ModelError: a model cannot be run.
    """
    pairs = counterparts(second)
    candidates = _float_tensors(second)
    outputs = {value.name or "" for value in first.graph.outputs}
    names: dict[str, str] = {}
    for name in _float_tensors(first):
        other = pairs.get(name, name)
        if other in candidates:
            names[name] = other
    errors = tensor_errors(first, second, names, samples, progress=progress)
    writers = {value.name or "": node for node in first.graph for value in node.outputs}
    tensors = [
        ComparedTensor(name, writers[name].op_type, writers[name].name or "", error)
        for name, error in errors.items()
        if name in writers
    ]
    return Comparison(
        [tensor for tensor in tensors if tensor.name in outputs],
        [tensor for tensor in tensors if tensor.name not in outputs],
    )


def _float_tensors(model: ir.Model) -> dict[str, None]:
    """Names of the float32 outputs of operators, without constants and weights."""
    # Exporters rarely store the types of intermediate tensors.
    typed = model.clone()
    InferShapesPass()(typed)
    names: dict[str, None] = {}
    for node in typed.graph:
        if node.op_type == "Constant" or all(value is None or value.is_initializer() for value in node.inputs):
            continue
        for value in node.outputs:
            if value.dtype == ir.DataType.FLOAT:
                names[value.name or ""] = None
    return names
