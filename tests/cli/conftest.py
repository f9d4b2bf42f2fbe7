"""Run the command line in this process, and check that refused commands change no file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.helpers.command_line import UNTIMED, CommandResult, Octavo, Refused, contents, lay_out, only_sentence

from octavo.cli import run


@pytest.fixture
def octavo(capsys: pytest.CaptureFixture[str]) -> Octavo:
    """Run a command; every argument becomes text."""

    def call(*arguments: object) -> CommandResult:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return CommandResult(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(octavo: Octavo, work: Path, monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Run a command that must be refused, and return the error sentence."""
    # A narrow COLUMNS in the environment must not wrap the sentence.
    monkeypatch.setenv("COLUMNS", "40")

    def call(*arguments: object) -> str:
        before = contents(work)
        result = octavo(*arguments)
        assert result.code == 2, result.err
        assert result.out == ""
        assert contents(work) == before
        return only_sentence(result.err)

    return call


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the model and data of the digits example."""
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quantize(octavo: Octavo, work: Path) -> Octavo:
    """Quantize the digits model into out.onnx without timing, and check that it succeeded."""

    def call(*options: object, calibration: object = "calib.npz", output: str = "out.onnx") -> CommandResult:
        target = () if "--target" in options else ("--target", UNTIMED)
        result = octavo("quantize", "digits.onnx", "-c", calibration, "-o", output, "--threads", 1, *target, *options)
        assert result.code == 0, result.err
        assert result.err == ""
        return result

    return call
