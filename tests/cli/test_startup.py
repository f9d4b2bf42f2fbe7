"""Imports of `octavo --help`, and the registry of verbs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from octavo.cli import app as module

HEAVY = {"numpy", "onnx", "onnx_ir", "onnxruntime", "torch", "altair", "jinja2", "PIL", "yaml"}
# Packages of Octavo that import one of those.
OURS = {f"octavo.{name}" for name in ("native", "graph", "data", "engines", "measure", "pipeline", "torch", "compiler")}


def test_help_imports_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "from octavo.cli import run\n"
        "for arguments in (['--help'], ['quantize', '--help']):\n"
        "    assert run(arguments) == 0\n"
        f"print(sorted({HEAVY | OURS!r} & set(sys.modules)))"
    )
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.splitlines()[-1] == "[]"


def test_every_file_of_the_verbs_is_registered() -> None:
    folder = Path(module.__file__).parent / "verbs"
    assert sorted(module.VERBS) == sorted(path.stem for path in folder.glob("[!_]*.py"))
