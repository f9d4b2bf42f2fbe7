"""Accuracy of each case after quantization: Octavo beside ONNX Runtime's quantizer, on the same data.

    python -m benchmarks.accuracy [CASE ...] [--cases FOLDER] [--json PATH]

Every model is run by ONNX Runtime and judged by the case's own metric, in points. In brackets, the paired
95% interval of the drop against the float model. Texts are calibrated one by one, each at its own length.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import octavo
from benchmarks.cases import Case, parser, selected
from benchmarks.tables import machine_line, markdown, write_json
from benchmarks.tools import TOOLS, own_lengths, quiet
from octavo.engines.onnxruntime import Session
from octavo.measure import MetricResult, evaluate


def measure(case: Case) -> dict[str, Any]:
    """The metric of each tool's model; a tool that fails has its complaint in place of figures."""
    evaluation = octavo.evaluation.custom(case.metric, case.evaluation | case.reference)
    calibration = own_lengths(case.calibration)
    tools: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        for tool, quantize in TOOLS.items():
            output = Path(place) / f"{tool}.onnx"
            try:
                quantize(case.model, calibration, output)
            except Exception as error:  # whatever a peer raises is its result here
                tools[tool] = {"fails": f"{type(error).__name__}: {error}"}
                continue
            tools[tool] = figures(evaluate(evaluation, Session(case.model), Session(output)))
    return {"case": case.name, "hard": case.hard, "tools": tools}


def figures(metric: MetricResult) -> dict[str, Any]:
    """What is written of a metric."""
    return {
        "float": metric.float_value,
        "quantized": metric.quantized_value,
        "drop": metric.drop,
        "drop_ci95": list(metric.ci95),
        "samples": metric.samples,
    }


def row(result: dict[str, Any]) -> list[str]:
    """One line of the table."""
    own = next(tool for tool in result["tools"].values() if "float" in tool)
    name = f"{result['case']} (hard)" if result["hard"] else result["case"]
    return [name, f"{own['float']:.2f}", *(cell(tool) for tool in result["tools"].values())]


def cell(tool: dict[str, Any]) -> str:
    """A model's metric, and the interval of its drop."""
    if "fails" in tool:
        return "fails"
    low, high = tool["drop_ci95"]
    return f"{tool['quantized']:.2f} [{low:+.2f}, {high:+.2f}]"


def main() -> None:
    chosen = parser(__doc__).parse_args()
    quiet()
    results = [measure(case) for case in selected(chosen)]
    if results:
        print(markdown(["case", "float", *TOOLS], [row(result) for result in results]))
        print(f"\n{machine_line()}")
    write_json(chosen.json, results)


if __name__ == "__main__":
    main()
