"""How well a quantized model reproduces the float model's outputs on the samples that check refinements."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.data import SampleSet
from octavo.data.runner import run_batches
from octavo.engines.onnxruntime import Session
from octavo.graph.operators import in_front_of_softmax
from octavo.measure.decibels import decibels

Array = NDArray[np.generic]

# The SQNR that an exact output counts with.
_EXACT_DB = 150.0


class Check:
    """The float model's outputs on some samples, to compare quantized models with.

    Of an output that a Softmax writes, the logits are compared: the few samples between two classes would outweigh
    all others.

    Args:
        model: the float model.
        samples: the samples; each is a run of its own, unless the model has a fixed batch.
        threads: threads of ONNX Runtime.
    """

    def __init__(self, model: ir.Model, samples: SampleSet, threads: int | None) -> None:
        self._samples, self._threads = samples, threads
        self._outputs = [value for value in model.graph.outputs if value.dtype == ir.DataType.FLOAT]
        self._expected = self._run(model, [_telling(value).name or "" for value in self._outputs])

    def level_db(self, model: ir.Model) -> float | None:
        """The mean SQNR over the outputs, in dB, of three views: all samples together, their mean, and the worst.

        A sample's noise is compared with the mean signal, so that one with almost no signal does not count as the
        worst. None where no output of a shape that both models share tells anything.
        """
        written = {value.name: value for value in model.graph.outputs}
        names = [_telling(written[value.name]).name or "" for value in self._outputs]
        pairs = zip(self._expected, self._run(model, names), strict=True)
        levels = [level for expected, actual in pairs if (level := _level_db(expected, actual)) is not None]
        return sum(levels) / len(levels) if levels else None

    def _run(self, model: ir.Model, names: list[str]) -> list[list[Array]]:
        """The named tensors, each as a list over the runs."""
        if not names:
            return []
        session = Session(model, outputs=list(dict.fromkeys(names)), threads=self._threads)
        runs = [outputs for _, outputs in run_batches(session, self._samples, 1)]
        return [[run[name] for run in runs] for name in names]


def _telling(output: ir.Value) -> ir.Value:
    """The logits of a Softmax that writes the output, on a grid or not; else the output."""
    value: ir.Value | None = output
    while value is not None and (writer := value.producer()) is not None:
        if writer.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            return in_front_of_softmax(value) if writer.op_type == "Softmax" else output
        value = writer.inputs[0]
    return output


def _level_db(expected: list[Array], actual: list[Array]) -> float | None:
    if any(one.shape != two.shape for one, two in zip(expected, actual, strict=True)):
        return None
    signal = float(np.mean([_power(one) for one in expected]))
    noises = [
        _power(two.astype(np.float64) - one.astype(np.float64)) for one, two in zip(expected, actual, strict=True)
    ]
    if not signal > 0 or not np.isfinite(signal + sum(noises)):
        return None
    single = [min(decibels(signal, noise), _EXACT_DB) for noise in noises]
    together = min(decibels(signal, float(np.mean(noises))), _EXACT_DB)
    return (together + float(np.mean(single)) + min(single)) / 3


def _power(values: Array) -> float:
    return float(np.square(values.astype(np.float64)).sum())
