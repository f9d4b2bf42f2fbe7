"""The command line as a test sees it: how it ended, and what lies in a folder before and after."""

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

# None of its engines is ONNX Runtime, so that no second is spent on timing.
UNTIMED = "octavo"


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Octavo = Callable[..., Ended]
Refused = Callable[..., str]


def lay_out(folder: Path) -> None:
    """The digits' model and data; of the calibration samples the first sixty, which are enough here."""
    for name in ("digits.onnx", "eval.npz"):
        shutil.copy(DIGITS / name, folder / name)
    with np.load(DIGITS / "calib.npz") as file:
        np.savez(folder / "calib.npz", image=file["image"][:60])


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder, hidden ones too; folders have none."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in sorted(folder.rglob("*"))
    }


def only_sentence(text: str) -> str:
    """The one line of a complaint, without the name in front."""
    assert text.endswith("\n")
    (line,) = text.splitlines()
    assert line.startswith("octavo: ")
    assert "Traceback" not in line
    return line.removeprefix("octavo: ")


def process(*arguments: object, **options: Any) -> Ended:
    """Run a command in a process of its own, its output in pipes."""
    command = [sys.executable, "-m", "octavo", *(str(argument) for argument in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    return Ended(done.returncode, done.stdout, done.stderr)
