"""A PyTorch module at the command line, by the function that makes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.cli.running import Octavo

pytest.importorskip("torch")

FACTORY = """
import torch

def make():
    torch.manual_seed(0)
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3))
    return torch.nn.Sequential(body, torch.nn.Flatten()), (torch.zeros(1, 3, 6, 6),)

def number():
    return 3

def fails():
    raise ValueError("no weights here")

thing = 3
"""


@pytest.fixture
def folder(work: Path) -> Path:
    (work / "nets.py").write_text(FACTORY, encoding="utf-8")
    np.save(work / "x.npy", np.random.default_rng(0).normal(size=(32, 3, 6, 6)).astype(np.float32))
    return work


def test_a_module_is_quantized_and_inspected_by_its_factory(octavo: Octavo, folder: Path) -> None:
    run = octavo("quantize", "nets:make", "-c", "x.npy", "-o", "out.onnx", "-t", "octavo")
    assert run.code == 0, run.err
    assert (folder / "out.onnx").exists()
    shown = octavo("inspect", "nets:make", "-t", "octavo")
    assert shown.code == 0
    assert "0.2" in shown.out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nowhere:make", "factory nowhere:make cannot be imported (No module named 'nowhere')"),
        ("nets:none", "factory nets:none cannot be imported"),
        ("nets:number", "factory nets:number returned no PyTorch module; return (module, example_inputs)"),
        ("nets:fails", "factory nets:fails failed (ValueError: no weights here)"),
        ("nets:thing", "factory nets:thing failed (TypeError"),
        ("nets.onnx", "nets.onnx"),
    ],
)
def test_mistakes_are_told_in_one_sentence(octavo: Octavo, folder: Path, name: str, told: str) -> None:
    run = octavo("quantize", name, "-c", "x.npy", "-o", "out.onnx", "-t", "octavo")
    assert run.code == 2
    assert told in run.err
    assert run.err.count("\n") == 1
    assert not (folder / "out.onnx").exists()
