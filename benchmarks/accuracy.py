"""Accuracy of each case after quantization: Octavo and other quantizers on the same data.

    python -m benchmarks.accuracy [CASE ...] [--cases FOLDER] [--json PATH]

Every model runs in ONNX Runtime and is evaluated by the metric of the case, in points. In brackets, the paired
95% interval of the drop against the float model. Texts are calibrated one at a time, without padding.
The ladder runs with --max-drop 1.0 on a fixed random part of the evaluation data; all models are then evaluated on
the rest, the ladder's included. NNCF is measured where it is installed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import octavo
from benchmarks.cases import Arrays, Case, parser, selected
from benchmarks.tables import machine_line, markdown, write_json
from benchmarks.tools import ACCURATE, TARGET, TOOLS, Calibration, Tool, own_lengths, quiet
from octavo.data import open_samples, split
from octavo.engines.onnxruntime import Session
from octavo.measure import Evaluation, MetricResult, evaluate

DEFAULTS, LADDER = "octavo", "octavo --max-drop 1"
PEERS = {name: tool for name, tool in {**TOOLS, **ACCURATE}.items() if name != "octavo"}


def measure(case: Case) -> dict[str, Any]:
    """The metric of each tool's model; for a tool that fails, its error message instead."""
    calibration = own_lengths(case.calibration)
    choosing, judging = parts(case)
    tools: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for tool, quantize in {DEFAULTS: TOOLS["octavo"], LADDER: climber(choosing), **PEERS}.items():
            output = Path(folder) / f"{tool}.onnx"
            try:
                quantize(case.model, calibration, output)
                tools[tool] = figures(evaluate(judging, Session(case.model), Session(output)))
            except Exception as error:  # any error of a peer is recorded as its result
                tools[tool] = {"fails": f"{type(error).__name__}: {error}"}
    return {"case": case.name, "hard": case.hard, "tools": tools}


def parts(case: Case) -> tuple[Evaluation, Evaluation]:
    """A third of the evaluation data for the ladder; the rest to evaluate all tools."""
    specs = Session(case.model).inputs
    whole = open_samples(case.evaluation | case.reference, specs)

    def metric(outputs: Arrays, reference: Arrays) -> float:
        return case.metric(dict(outputs), dict(reference))

    choosing, judging = (octavo.evaluation.custom(metric, part) for part in split(whole, 1 / 3))
    return choosing, judging


def climber(choosing: Evaluation) -> Tool:
    """Octavo with a budget of one point; it splits `choosing` into a selection and a judging set."""

    def quantize(model: Path, calibration: Calibration, output: Path) -> None:
        result = octavo.quantize(model, calibration, TARGET, evaluate=choosing, max_drop=1.0, verify=False)
        result.save(output)

    return quantize


def figures(metric: MetricResult) -> dict[str, Any]:
    """A metric's figures for JSON."""
    return {
        "float": metric.float_value,
        "quantized": metric.quantized_value,
        "drop": metric.drop,
        "drop_ci95": list(metric.ci95),
        "samples": metric.samples,
    }


def row(result: dict[str, Any]) -> list[str]:
    """One row of the table."""
    float_run = next(tool for tool in result["tools"].values() if "float" in tool)
    name = f"{result['case']} (hard)" if result["hard"] else result["case"]
    return [name, f"{float_run['float']:.2f}", *(cell(tool) for tool in result["tools"].values())]


def cell(tool: dict[str, Any]) -> str:
    """A model's metric, and the interval of its drop."""
    if "fails" in tool:
        return "fails"
    low, high = tool["drop_ci95"]
    return f"{tool['quantized']:.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    arguments = parser(__doc__).parse_args()
    quiet()
    results = [measure(case) for case in selected(arguments)]
    if results:
        print(markdown(["case", "float", DEFAULTS, LADDER, *PEERS], [row(result) for result in results]))
        print(f"\n{machine_line()}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
