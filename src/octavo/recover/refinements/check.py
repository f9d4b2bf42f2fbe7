"""How well a quantized model reproduces the float model's outputs on the samples that check refinements."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from octavo.data import Arrays, SampleSet
from octavo.data.runner import fixed_batch, padded_parts
from octavo.engines.onnxruntime import Session
from octavo.graph.operators import in_front_of_softmax
from octavo.measure.decibels import EXACT_DB, decibels

Array = NDArray[np.generic]


class Check:
    """The float model's outputs on some samples, to compare quantized models with.

    Of an output that a Softmax writes, the logits are compared: the few samples between two classes would outweigh
    all others.

    Args:
        model: the float model, with an output of float32.
        samples: the samples; each is a run of its own, unless the model has a fixed batch.
        runs: use at most this many.
        threads: threads of ONNX Runtime.
    """

    def __init__(self, model: ir.Model, samples: SampleSet, runs: int, threads: int | None) -> None:
        self._threads = threads
        self._outputs = [value for value in model.graph.outputs if value.dtype == ir.DataType.FLOAT]
        session = self._session(model, self._outputs)
        batches = samples.batches(fixed_batch(session) or 1)
        feeds = [inputs for batch in batches for _, inputs in padded_parts(batch, fixed_batch(session))]
        self._feeds = feeds[:runs]
        self._expected = self._run(session, {})

    def level_db(self, model: ir.Model) -> float | None:
        """The mean SQNR over the outputs, in dB, of three views: all samples together, their mean, and the worst.

        A sample's noise is compared with the mean signal, so that one with almost no signal does not count as the
        worst. None where no output of a shape that both models share tells anything.
        """
        return self.level_of(self.open(model), {})

    def open(self, model: ir.Model) -> Session:
        """A quantized model, ready to run as it is written: no figure depends on the processor's integer kernels."""
        written = {value.name: value for value in model.graph.outputs}
        return self._session(model, [written[value.name] for value in self._outputs])

    def level_of(self, session: Session, feeds: Arrays) -> float | None:
        """The level of an opened model, with inputs that are the same for every sample."""
        pairs = zip(self._expected, self._run(session, feeds), strict=True)
        levels = [level for expected, actual in pairs if (level := _level_db(expected, actual)) is not None]
        return sum(levels) / len(levels) if levels else None

    def _session(self, model: ir.Model, outputs: list[ir.Value]) -> Session:
        names = [_telling(value).name or "" for value in outputs]
        return Session(model, outputs=list(dict.fromkeys(names)), threads=self._threads, as_written=True)

    def _run(self, session: Session, feeds: Arrays) -> list[list[Array]]:
        """The outputs, each as a list over the runs."""
        runs = [session.run({**inputs, **feeds}) for inputs in self._feeds]
        return [[run[spec.name] for run in runs] for spec in session.outputs]


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
    single = [min(decibels(signal, noise), EXACT_DB) for noise in noises]
    together = min(decibels(signal, float(np.mean(noises))), EXACT_DB)
    return (together + float(np.mean(single)) + min(single)) / 3


def _power(values: Array) -> float:
    return float(np.square(values.astype(np.float64)).sum())
