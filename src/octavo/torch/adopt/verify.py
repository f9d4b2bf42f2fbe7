"""Compare a QDQ model with the quantized PyTorch model it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from octavo.engines.onnxruntime import Session
from octavo.errors import DataError
from octavo.graph.constants import constant
from octavo.graph.preflight import check_target
from octavo.targets import Target

_LEVELS = 255


@dataclass(frozen=True)
class Agreement:
    """Agreement of the outputs of two models over all samples.

    Attributes:
        equal: fraction of the elements that differ by less than half a step, which are the same integers.
        worst: largest difference, in steps of the output.
        compared: number of elements compared.
    """

    equal: float
    worst: float
    compared: int

    @property
    def holds(self) -> bool:
        """Whether no element differs by more than one step, which a different rounding of the accumulator explains."""
        # Tolerance for the float32 rounding of the difference.
        return self.worst <= 1.001


def verify(
    model: ir.Model,
    module: nn.Module | ExportedProgram,
    samples: Iterable[Sequence[torch.Tensor]],
    *,
    target: Target | None = None,
) -> Agreement:
    """Run both models on the samples and compare their outputs in quantization steps.

    The step of an output is the scale of the DequantizeLinear that writes it; for an output computed in float, 1/255
    of the range of PyTorch's values.

    Args:
        model: result of `from_pt2e`, `from_quantized` or `from_state_dict`.
        module: module or ExportedProgram that the model was read from.
        samples: one sequence per run: the module's arguments, in the order of the model's inputs.
        target: also check the model against the rules of this target.

    Raises:
        DependencyError: PyTorch is not installed.
        TargetError: the model breaks a rule of the target; the message names the node.
        DataError: there are no samples, they do not fit the model, or the output shapes of the models differ.
    """
    if target is not None:
        check_target(model, target)
    session = Session(model)
    if isinstance(module, ExportedProgram):
        module = module.module()
    names = [value.name for value in session.inputs]
    references: list[list[NDArray[Any]]] = []
    results: list[list[NDArray[Any]]] = []
    for args in samples:
        if len(args) != len(names):
            raise DataError(
                f"a sample has {len(args)} arrays but the model takes {len(names)}; give one for each input"
            )
        with torch.no_grad():
            result = module(*args)
        references.append([output.numpy() for output in (result if isinstance(result, tuple | list) else [result])])
        feeds = {name: tensor.numpy() for name, tensor in zip(names, args, strict=True)}
        results.append(list(session.run(feeds).values()))
    if not references:
        raise DataError("there are no samples to compare the models on; give at least one")
    return _agreement(model, references, results)


def _agreement(model: ir.Model, references: list[list[NDArray[Any]]], results: list[list[NDArray[Any]]]) -> Agreement:
    equal, worst, compared = 0, 0.0, 0
    for index, output in enumerate(model.graph.outputs):
        expected, actual = [run[index] for run in references], [run[index] for run in results]
        step = _step(output, expected)
        for reference, array in zip(expected, actual, strict=True):
            if reference.shape != array.shape:
                raise DataError(
                    f"output '{output.name}' has shape {array.shape} but PyTorch gives {reference.shape}; "
                    "verify a model against the module it was read from"
                )
            steps = np.abs(reference.astype(np.float64) - array) / step
            equal += int(np.count_nonzero(steps < 0.5))
            worst, compared = max(worst, float(steps.max(initial=0.0))), compared + steps.size
    return Agreement(equal / max(compared, 1), worst, compared)


def _step(output: ir.Value, expected: list[NDArray[Any]]) -> float:
    producer = output.producer()
    if producer is not None and producer.op_type == "DequantizeLinear":
        scale = constant(producer.inputs[1])
        if scale is not None and scale.size == 1:
            return float(scale.reshape(()))
    bounds = [(float(array.min()), float(array.max())) for array in expected if array.size]
    width = max((high for _, high in bounds), default=0.0) - min((low for low, _ in bounds), default=0.0)
    return width / _LEVELS or 1.0
