"""Time and memory of quantizing each case: Octavo and ONNX Runtime's calibrators, interleaved.

    python -m benchmarks.quantize_time [CASE ...] [--repeats N] [--cases FOLDER] [--json PATH]

Each quantization runs in a separate process (benchmarks/quantize_run.py). A ratio is the median over the
rounds of peer seconds / Octavo seconds in the same round: above 1, Octavo is faster. `pass / forward` is
the seconds of Octavo's calibration pass divided by those of float inference of the same 3,000 samples, both
including the opening of the model. Memory is Octavo's peak with 3,000 samples divided by that with 300, the
calibration samples repeated, float inputs with noise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.cases import Arrays, Case, parser, selected
from benchmarks.tables import machine_line, markdown, write_json

PEERS = ("ort-minmax", "ort-entropy", "ort-percentile")
ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 300, 3000
NOISE = 0.01  # of the standard deviation of the samples


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """All figures of one case; None for a tool that fails."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        samples = folder / "calib.npz"
        np.savez(samples, **case.calibration)
        rounds: list[dict[str, dict[str, float] | None]] = []
        for _ in range(repeats):
            rounds.append({tool: run(tool, case.model, samples, folder) for tool in ("octavo", *PEERS)})
        few, *many = (with_samples(case, count, folder) for count in (FEW, *[MANY] * repeats))
    octavo_runs = [octavo_run for outcomes in rounds if (octavo_run := outcomes["octavo"])]
    if len(octavo_runs) < repeats:
        raise SystemExit(f"octavo failed on {case.name}; run it separately to see the error")
    return {
        "case": case.name,
        "seconds": median(octavo_run["seconds"] for octavo_run in octavo_runs),
        "peak_bytes": median(octavo_run["peak_bytes"] for octavo_run in octavo_runs),
        "pass_over_forward": median(outcomes["calibrate_seconds"] / outcomes["forward_seconds"] for outcomes in many),
        "peers": {tool: against(rounds, tool) for tool in PEERS},
        "memory_many_over_few": median(outcomes["peak_bytes"] for outcomes in many) / few["peak_bytes"],
        "rounds": rounds,
    }


def run(tool: str, model: Path, samples: Path, folder: Path) -> dict[str, float] | None:
    """One quantization in a separate process; None if it fails, with the last line of its error on stderr."""
    output = folder / f"{tool}.onnx"
    output.unlink(missing_ok=True)
    command = [sys.executable, "-m", "benchmarks.quantize_run", tool, *map(str, (model, samples, output))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    completed = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if completed.returncode:
        error_lines = completed.stderr.strip().splitlines() or [f"exit code {completed.returncode}"]
        print(f"{tool} failed on {model}: {error_lines[-1]}", file=sys.stderr)
        return None
    figures: dict[str, float] = json.loads(completed.stdout.splitlines()[-1])
    return figures


def against(rounds: list[dict[str, dict[str, float] | None]], tool: str) -> dict[str, float] | None:
    """Median seconds, peak memory and ratios of one peer; None if it failed."""
    pairs = [
        (peer, octavo_run) for outcomes in rounds if (peer := outcomes[tool]) and (octavo_run := outcomes["octavo"])
    ]
    if not pairs:
        return None
    return {
        "seconds": median(peer["seconds"] for peer, _ in pairs),
        "peak_bytes": median(peer["peak_bytes"] for peer, _ in pairs),
        "seconds_over_octavo": median(peer["seconds"] / octavo_run["seconds"] for peer, octavo_run in pairs),
        "peak_over_octavo": median(peer["peak_bytes"] / octavo_run["peak_bytes"] for peer, octavo_run in pairs),
    }


def with_samples(case: Case, count: int, folder: Path) -> dict[str, float]:
    """Octavo's figures with `count` samples."""
    samples = folder / f"calib{count}.npz"
    np.savez(samples, **repeated(case.calibration, count))
    figures = run("octavo", case.model, samples, folder)
    if figures is None:
        raise SystemExit(f"octavo failed on {case.name} with {count} samples; run it separately to see the error")
    return figures


def repeated(calibration: Arrays, count: int) -> Arrays:
    """`count` samples: the calibration samples repeated, float arrays with new noise in every copy."""
    rng = np.random.default_rng(0)
    rows = np.arange(count) % len(next(iter(calibration.values())))
    arrays = {name: array[rows] for name, array in calibration.items()}
    for name, array in arrays.items():
        if np.issubdtype(array.dtype, np.floating):
            noise = rng.standard_normal(array.shape, dtype=np.float32) * (NOISE * array.std())
            arrays[name] = array + noise.astype(array.dtype)
    return arrays


def row(figures: dict[str, Any]) -> list[str]:
    """One row of the table."""
    peers = [figures["peers"][tool] for tool in PEERS]
    return [
        figures["case"],
        f"{figures['seconds']:.2f} s",
        *("fails" if peer is None else f"{peer['seconds_over_octavo']:.2f}" for peer in peers),
        f"{figures['pass_over_forward']:.2f}",
        f"{figures['peak_bytes'] / 2**20:.0f} MiB",
        *("fails" if peer is None else f"{peer['peak_over_octavo']:.2f}" for peer in peers),
        f"{figures['memory_many_over_few']:.2f}",
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--repeats", type=int, default=5, help="rounds; default 5")
    arguments = options.parse_args()
    results = [measure(case, arguments.repeats) for case in selected(arguments)]
    headers = ["case", "Octavo", "ORT MinMax ÷", "ORT Entropy ÷", "ORT Percentile ÷", "pass / forward"]
    headers += ["Octavo peak", "MinMax ÷", "Entropy ÷", "Percentile ÷", "3,000 / 300 samples"]
    if results:
        print(markdown(headers, [row(figures) for figures in results]))
        print(f"\nMedians of {arguments.repeats} rounds; {machine_line()}")
    write_json(arguments.json, results)


if __name__ == "__main__":
    main()
