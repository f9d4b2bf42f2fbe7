"""C and C++ programs that tests build against the runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CMAKE = (sys.executable, "-m", "cmake")


def build(source: Path, place: Path, target: str, *options: str) -> None:
    """One target, warnings as errors."""
    for command in (
        [*CMAKE, "-S", str(source), "-B", str(place), "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON", *options],
        [*CMAKE, "--build", str(place), "--parallel", "2", "--target", target],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def digits_bundle(folder: Path, batch: int | None = None) -> Path:
    """The digits, quantized and compiled."""
    import octavo
    from octavo.compiler import compile_model

    digits = ROOT / "examples" / "digits"
    result = octavo.quantize(digits / "digits.onnx", digits / "calib.npz", target="octavo")
    path = folder / "digits.oct"
    path.write_bytes(compile_model(result.model, batch=batch))
    return path


def encoder_bundle(folder: Path) -> Path:
    """A small random encoder: embeddings, a mask, attention, layer normalization, GELU, and beside it an image."""
    from tests.helpers.native_encoder import encoder

    return encoder().bundle(folder / "encoder.oct")
