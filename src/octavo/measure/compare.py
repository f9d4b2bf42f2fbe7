"""Two models on the same samples: outputs, and the tensors that both have."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from octavo.data import SampleSet
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.measure.layers import TensorError, counterparts, tensor_errors
from octavo.system.progress import Progress


@dataclass(frozen=True)
class ComparedTensor:
    """A tensor of the first model, the operator that writes it, and its error in the second."""

    name: str
    op: str
    layer: str
    error: TensorError


@dataclass(frozen=True)
class Comparison:
    """Errors of the second model against the first: of graph outputs, and of inner tensors in graph order."""

    outputs: list[ComparedTensor]
    layers: list[ComparedTensor]


def compare(first: ir.Model, second: ir.Model, samples: SampleSet, *, progress: Progress | None = None) -> Comparison:
    """Run both models over the samples; tensors are paired by name, quantized ones with their float origin.

    Raises:
        ModelError: a model cannot be run.
    """
    pairs = counterparts(second)
    there = _float_tensors(second)
    outputs = {value.name or "" for value in first.graph.outputs}
    names: dict[str, str] = {}
    for name in _float_tensors(first):
        other = pairs.get(name, name)
        if other in there:
            names[name] = other
    errors = tensor_errors(first, second, names, samples, progress=progress)
    writers = {value.name or "": node for node in first.graph for value in node.outputs}
    found = [
        ComparedTensor(name, writers[name].op_type, writers[name].name or "", error)
        for name, error in errors.items()
        if name in writers
    ]
    return Comparison(
        [each for each in found if each.name in outputs], [each for each in found if each.name not in outputs]
    )


def _float_tensors(model: ir.Model) -> dict[str, None]:
    """Names of the float32 tensors that operators write, constants and weights left out."""
    # Few exporters state the types of inner tensors.
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
