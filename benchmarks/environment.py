"""Environment variables that libraries read when they are loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

# Of what NumPy, PyTorch, oneDNN and fbgemm are built on.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Without ONNX Runtime, which has no such variable.
HELD_TO_AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}


def begin_with(wanted: Mapping[str, str], module: str) -> None:
    """Begin the module's process anew with these variables, unless they stand already."""
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **wanted})
