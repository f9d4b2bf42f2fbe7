"""Whether a QDQ model computes what the quantized PyTorch model it was read from does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.engines.onnxruntime import Session
from octavo.errors import DataError
from octavo.graph.constants import constant
from octavo.graph.preflight import check_target
from octavo.targets import Target
from octavo.torch.translate import pytorch

_LEVELS = 255


@dataclass(frozen=True)
class Agreement:
    """How far the outputs of two models are apart, over all samples.

    Attributes:
        equal: share of the numbers that lie within half a step of each other: the same integers.
        worst: the largest difference in steps of the output.
        compared: how many numbers were compared.
    """

    equal: float
    worst: float
    compared: int

    @property
    def holds(self) -> bool:
        """Whether no number is more than one step off, as rounding at the end of a sum allows."""
        # The last digit of float32 is no step.
        return self.worst <= 1.001


def verify(
    model: ir.Model, module: Any, samples: Iterable[Sequence[Any]], *, target: Target | None = None
) -> Agreement:
    """Run both models on the samples and compare their outputs in steps.

    An output's step is the scale of the DequantizeLinear that writes it; of an output that is written in
    float, one of 255 over the range of PyTorch's values.

    Args:
        model: what `from_pt2e`, `from_quantized` or `from_state_dict` gave.
        module: the module it was read from, or the ExportedProgram.
        samples: for each run the module's arguments, tensors in the order of the model's inputs.
        target: rules that the model must keep to as well.

    Raises:
        DependencyError: PyTorch is not installed.
        TargetError: the model breaks a rule of the target; the sentence names the node.
        DataError: there are no samples, or they or the outputs of the two models do not fit each other.
    """
    if target is not None:
        check_target(model, target)
    torch, session = pytorch(), Session(model)
    if isinstance(module, torch.export.ExportedProgram):
        module = module.module()
    names = [value.name for value in session.inputs]
    theirs: list[list[NDArray[Any]]] = []
    ours: list[list[NDArray[Any]]] = []
    for args in samples:
        if len(args) != len(names):
            raise DataError(
                f"a sample has {len(args)} arrays but the model takes {len(names)}; give one for each input"
            )
        with torch.no_grad():
            result = module(*args)
        theirs.append([each.numpy() for each in (result if isinstance(result, tuple | list) else [result])])
        feeds = {name: each.numpy() for name, each in zip(names, args, strict=True)}
        ours.append(list(session.run(feeds).values()))
    if not theirs:
        raise DataError("there are no samples to compare the models on; give at least one")
    return _agreement(model, theirs, ours)


def _agreement(model: ir.Model, theirs: list[list[NDArray[Any]]], ours: list[list[NDArray[Any]]]) -> Agreement:
    equal, worst, compared = 0, 0.0, 0
    for index, output in enumerate(model.graph.outputs):
        expected, given = [run[index] for run in theirs], [run[index] for run in ours]
        step = _step(output, expected)
        for one, other in zip(expected, given, strict=True):
            if one.shape != other.shape:
                raise DataError(
                    f"output '{output.name}' has shape {other.shape} but PyTorch gives {one.shape}; "
                    "verify a model against the module it was read from"
                )
            steps = np.abs(one.astype(np.float64) - other) / step
            equal += int(np.count_nonzero(steps < 0.5))
            worst, compared = max(worst, float(steps.max(initial=0.0))), compared + steps.size
    return Agreement(equal / max(compared, 1), worst, compared)


def _step(output: ir.Value, expected: list[NDArray[Any]]) -> float:
    producer = output.producer()
    if producer is not None and producer.op_type == "DequantizeLinear":
        scale = constant(producer.inputs[1])
        if scale is not None and scale.size == 1:
            return float(scale.reshape(()))
    ends = [(float(each.min()), float(each.max())) for each in expected if each.size]
    width = max((high for _, high in ends), default=0.0) - min((low for low, _ in ends), default=0.0)
    return width / _LEVELS or 1.0
