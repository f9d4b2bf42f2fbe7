"""One quantization in a separate process: prints its seconds and its peak memory as JSON.

    python -m benchmarks.quantize_run TOOL MODEL CALIBRATION.npz OUTPUT

Modules are imported before the clock starts. Octavo reads the file itself; the peers get its arrays, loaded before
the clock starts.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import onnxruntime.tools.symbolic_shape_infer

from benchmarks.cases import Arrays
from benchmarks.tools import TARGET, TOOLS, batches, quiet
from octavo import quantize

FORWARD_BATCH = 32


def bare_forward(model: Path, samples: Arrays) -> float:
    """The seconds that ONNX Runtime takes to open the float model and run it on the samples."""
    start = time.perf_counter()
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    for batch in batches(samples, FORWARD_BATCH):
        session.run(None, batch)
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The peak resident memory of this process in bytes; Linux resets VmHWM at exec, getrusage does not."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    tool, model, calibration, output = sys.argv[1], *map(Path, sys.argv[2:5])
    quiet()
    figures: dict[str, float] = {}
    if tool == "octavo":
        start = time.perf_counter()
        result = quantize(model, calibration=calibration, target=TARGET, verify=False)
        result.save(output)
        figures["seconds"] = time.perf_counter() - start
        figures["peak_bytes"] = peak_bytes()
        figures["calibrate_seconds"] = result.seconds["calibrate"]
        with np.load(calibration) as file:
            figures["forward_seconds"] = bare_forward(model, dict(file))
    else:
        with np.load(calibration) as file:
            samples = dict(file)
        start = time.perf_counter()
        TOOLS[tool](model, samples, output)
        figures["seconds"] = time.perf_counter() - start
        figures["peak_bytes"] = peak_bytes()
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
