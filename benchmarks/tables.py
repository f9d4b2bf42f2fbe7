"""Output of the benchmarks: Markdown on stdout, JSON in a file, both with the machine's description."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("octavo", "onnxruntime", "onnx", "numpy")


def markdown(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others right-aligned."""
    lines = [headers, ["---"] + ["---:"] * (len(headers) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine() -> dict[str, Any]:
    """Processor, number of cores available to this process, and versions of the measured libraries."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def machine_line() -> str:
    """`machine()` as one line of text."""
    facts = machine()
    packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
    return f"{facts['processor']}, {facts['cores']} cores; Python {facts['python']}, {packages}."


def write_json(path: Path | None, results: Sequence[dict[str, Any]]) -> None:
    """Write the machine and the results to `path`, or nothing if it is None."""
    if path is not None:
        text = json.dumps({"machine": machine(), "results": list(results)}, indent=2)
        path.write_text(text + "\n", encoding="utf-8")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
