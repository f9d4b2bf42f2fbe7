"""Running the command line: its exit code and output, and the content of folders."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = Path(__file__).parents[2] / "examples" / "digits"

# A target without ONNX Runtime among its engines, so that no time is spent on latency.
UNTIMED = "octavo"


@dataclass
class CommandResult:
    """The exit code and output of a command."""

    code: int
    out: str
    err: str


Octavo = Callable[..., CommandResult]
Refused = Callable[..., str]


def lay_out(folder: Path) -> None:
    """Write the digits model and data, with only the first sixty calibration samples."""
    for name in ("digits.onnx", "eval.npz"):
        shutil.copy(DIGITS / name, folder / name)
    with np.load(DIGITS / "calib.npz") as file:
        np.savez(folder / "calib.npz", image=file["image"][:60])


def contents(folder: Path) -> dict[str, str]:
    """The digests of all files below a folder, including hidden ones; folders are ignored."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def only_sentence(text: str) -> str:
    """The single line of an error message, without the program's name."""
    assert text.endswith("\n")
    (line,) = text.splitlines()
    assert line.startswith("octavo: ")
    assert "Traceback" not in line
    return line.removeprefix("octavo: ")


def process(*arguments: object, **options: Any) -> CommandResult:
    """Run a command in a separate process and capture its output."""
    command = [sys.executable, "-m", "octavo", *(str(argument) for argument in arguments)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    return CommandResult(completed.returncode, completed.stdout, completed.stderr)
