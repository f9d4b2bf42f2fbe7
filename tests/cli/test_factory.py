"""A PyTorch module as MODEL (package.module:factory), and the errors of invalid factories."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.command_line import UNTIMED, Octavo, Refused

from octavo.graph import load

pytest.importorskip("torch")

CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.bn, self.fc = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(144, 10)

    def forward(self, image):
        return self.fc(torch.relu(self.bn(self.conv(image))).flatten(1))

def net():
    torch.manual_seed(0)
    return Net(), torch.zeros(1, 1, 8, 8)

def program():
    return torch.export.export(net()[0].eval(), (torch.zeros(2, 1, 8, 8),))

def alone():
    return net()[0]

def broken():
    raise RuntimeError("no weights\\nfound")

def wants(argument):
    pass

def unfit():
    return net()[0], torch.zeros(1, 2, 8, 8)

constant = 3
"""
OPTIONS = ("-c", "calib.npz", "-o", "out.onnx", "--target", UNTIMED)


@pytest.fixture
def nets(work: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package of the user's, in the working directory."""
    (work / "mine").mkdir()
    (work / "mine" / "nets.py").write_text(CODE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("mine", "mine.nets"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "mine.nets"


def test_a_module_is_quantized(nets: str, octavo: Octavo) -> None:
    result = octavo("quantize", f"{nets}:net", *OPTIONS, "--evaluate", "eval.npz")
    assert (result.code, result.err) == (0, "")
    names = {node.name for node in load("out.onnx").graph}
    assert {"conv", "fc"} <= names


def test_an_exported_program_is_inspected(nets: str, octavo: Octavo) -> None:
    result = octavo("inspect", f"{nets}:program")
    assert (result.code, result.err) == (0, "")
    assert "conv" in result.out


def test_an_existing_file_takes_precedence(nets: str, octavo: Octavo) -> None:
    Path("mine:net").write_bytes(Path("digits.onnx").read_bytes())
    assert octavo("inspect", "mine:net").code == 0


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        ("mine.none:net", "model factory mine.none:net cannot be imported"),
        ("mine.nets:nothing", "cannot be imported (module 'mine.nets' has no attribute 'nothing')"),
        ("mine.nets:constant", "is not a function"),
        ("mine.nets:broken", "failed with RuntimeError: no weights found"),
        ("mine.nets:wants", "it is called without arguments"),
        ("mine.nets:alone", "returned a Net; return (module, example_inputs)"),
        ("mine.nets:unfit", "the module fails on the example inputs"),
        ("mine/nets.py:net", "does not exist"),
    ],
)
@pytest.mark.parametrize("command", ["quantize", "inspect"])
def test_invalid_factories_are_refused(command: str, factory: str, expected: str, nets: str, refused: Refused) -> None:
    assert expected in refused(command, factory, *(OPTIONS if command == "quantize" else ()))


def test_outputs_are_checked_first(nets: str, refused: Refused) -> None:
    np.savez("out.onnx")
    Path("out.onnx.npz").rename("out.onnx")
    assert "exists" in refused("quantize", f"{nets}:broken", *OPTIONS)


def test_without_pytorch_the_extra_is_named(nets: str, refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "octavo[torch]" in refused("inspect", f"{nets}:net")
