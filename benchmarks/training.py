"""Accuracy that the training rung recovers after all other rungs, from the ONNX file and calibration data alone.

    python -m benchmarks.training dscnn_kws                 # weights and activations of 4 bits
    python -m benchmarks.training --bits 8 dscnn_kws_rescaled minilm_sts

For each case: the metric of the float model, the drop without and with training on the judging set, the share of the
drop recovered, the seconds of training, and the agreement of the converted model with the forward pass of the trained
network: equal outputs, and equal top-1.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

import octavo
from benchmarks import cases
from octavo.engines.onnxruntime import Session
from octavo.pipeline.result import QuantizationResult

_RUNGS = "search,equalize,smooth,correct,round,reconstruct"
_AT_ONCE = 50


def main() -> None:
    """Measure the cases named on the command line."""
    options = cases.parser(__doc__)
    options.add_argument("--bits", type=int, default=4, choices=(4, 8), help="of weights and activations")
    options.add_argument("--rungs", default=_RUNGS, help="what is tried before training")
    arguments = options.parse_args()
    rows = []
    for case in cases.selected(arguments):
        rows.append({"case": case.name, **measured(case, arguments.bits, arguments.rungs)})
        print(json.dumps(rows[-1]), flush=True)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=2), encoding="utf-8")


def measured(case: cases.Case, bits: int, rungs: str) -> dict[str, Any]:
    """The figures of one case."""
    without, trained = (quantized(case, bits, names) for names in (rungs, f"{rungs},train"))
    step = trained.steps[-1]
    before, after = (_drop(result) for result in (without, trained))
    return {
        "float": trained.metric.float_value if trained.metric is not None else None,
        "drop_without": before,
        "drop_trained": after,
        "came_back": (before - after) / before if before > 0 else None,
        "kept": step.kept,
        "seconds": step.seconds,
        "note": step.note,
        **(forward_against_integers(case, trained) if step.kept else {}),
    }


def quantized(case: cases.Case, bits: int, rungs: str) -> QuantizationResult:
    """The case quantized with these rungs; its metric is of the judging set."""
    evaluation = octavo.evaluation.custom(case.metric, {**case.evaluation, **case.reference})
    return octavo.quantize(
        str(case.model),
        case.calibration,
        "octavo",
        evaluate=evaluation,
        rungs=rungs,
        weight_bits=bits,
        activation_bits=bits,
        allow_training=True,
        verify=False,
    )


def forward_against_integers(case: cases.Case, result: QuantizationResult) -> dict[str, float]:
    """The trained network's forward pass compared with the converted model in ONNX Runtime, on the evaluation data."""
    import torch

    network = octavo.torch.trainable(result.state)
    session, name = Session(result.model), next(iter(result.model.graph.outputs)).name or ""
    trained, converted = [], []
    count = len(next(iter(case.evaluation.values())))
    for start in range(0, count, _AT_ONCE):
        part = {key: array[start : start + _AT_ONCE] for key, array in case.evaluation.items()}
        with torch.no_grad():
            trained.append(network(**{key: torch.tensor(array) for key, array in part.items()}).numpy())
        converted.append(session.run(part)[name])
    trained_outputs, converted_outputs = np.concatenate(trained), np.concatenate(converted)
    scale = max((float(params.scale) for params in result.state.activations.values()), default=1.0)
    return {
        "same_top1": float((trained_outputs.argmax(-1) == converted_outputs.argmax(-1)).mean()),
        "largest_difference": float(np.abs(trained_outputs - converted_outputs).max()),
        "largest_step": scale,
    }


def _drop(result: QuantizationResult) -> float:
    assert result.metric is not None
    return result.metric.drop


if __name__ == "__main__":
    sys.exit(main())
