"""Environment variables that libraries read when they are loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

# For the libraries that NumPy, PyTorch, oneDNN and fbgemm are built on.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Not ONNX Runtime, which has no such variable.
HELD_TO_AVX2 = {
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}


def begin_with(variables: Mapping[str, str], module: str) -> None:
    """Re-execute the module with these variables, unless they are already set."""
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], {**os.environ, **variables})
