"""Latency of each case in ONNX Runtime: INT8 models of Octavo and of ONNX Runtime's quantizer against the float model.

    python -m benchmarks.quantizers [CASE ...] [--batch N] [--threads N] [--seconds S] [--cases FOLDER] [--json PATH]

All models of a case are interleaved in rounds on the same samples. A ratio is the median over the
rounds of float milliseconds / INT8 milliseconds of the same round: above 1, INT8 is faster. In brackets, the
quartiles of the ratio.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case, parser, selected
from benchmarks.tables import machine_line, markdown, write_json
from benchmarks.tools import TOOLS, quiet
from octavo.engines.onnxruntime import Session
from octavo.measure.latency import rounds

COMPARED = ("octavo", "ort-default", "ort-minmax")


def measure(case: Case, batch: int, threads: int, seconds: float) -> dict[str, Any]:
    """Milliseconds of the float model, and of each tool's model with its ratio to float."""
    sessions = {"float": Session(case.model, threads=threads)}
    with tempfile.TemporaryDirectory() as folder:
        for tool in COMPARED:
            output = Path(folder) / f"{tool}.onnx"
            TOOLS[tool](case.model, case.calibration, output)
            sessions[tool] = Session(output, threads=threads, saturate=True)
    feeds = {name: array[:batch] for name, array in case.evaluation.items()}
    times = dict(zip(sessions, rounds(list(sessions.values()), feeds, seconds), strict=True))
    figures = {"case": case.name, "batch": batch, "threads": threads, "rounds": len(times["float"])}
    return {**figures, "tools": {tool: against_float(times, tool) for tool in sessions}}


def against_float(times: Mapping[str, list[float]], tool: str) -> dict[str, Any]:
    """Median milliseconds, and the median and quartiles of float over INT8."""
    low, median, high = np.quantile(np.divide(times["float"], times[tool]), [0.25, 0.5, 0.75])
    return {"milliseconds": float(np.median(times[tool])), "speedup": median, "quartiles": [low, high]}


def row(figures: dict[str, Any]) -> list[str]:
    """One row of the table."""
    tools = figures["tools"]
    milliseconds = [f"{tools[tool]['milliseconds']:.3f}" for tool in ("float", "octavo")]
    return [figures["case"], *milliseconds, *(cell(tools[tool]) for tool in COMPARED)]


def cell(tool: dict[str, Any]) -> str:
    """A speedup and its quartiles."""
    low, high = tool["quartiles"]
    return f"{tool['speedup']:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--batch", type=int, default=1, help="samples a run; default 1")
    options.add_argument("--threads", type=int, default=1, help="threads of ONNX Runtime; default 1")
    options.add_argument("--seconds", type=float, default=10.0, help="how long to time each case; default 10")
    arguments = options.parse_args()
    quiet()
    results = [measure(case, arguments.batch, arguments.threads, arguments.seconds) for case in selected(arguments)]
    if results:
        headers = ["case", "float ms", "Octavo ms", *(f"{tool}: speedup" for tool in COMPARED)]
        print(markdown(headers, [row(figures) for figures in results]))
        print(f"\nBatch {arguments.batch}, {arguments.threads} thread(s); {machine_line()}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
