"""The C++ kernel tests: with sanitizers on this processor, and for aarch64 in an emulator with every NEON level."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.helpers.native_build import AARCH64_SANITIZED, EMULATOR, SANITIZED, built

from octavo.native import cpu

pytestmark = pytest.mark.slow


def passing(*command: str | Path) -> list[str]:
    """The instruction sets that the executable tested."""
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    return completed.stdout.split()


def test_every_supported_set_under_sanitizers() -> None:
    assert passing(built(SANITIZED, "octavo_native_tests")) == list(cpu().available)


def test_every_neon_level_in_an_emulator() -> None:
    executable = built(AARCH64_SANITIZED, "octavo_native_tests")
    assert passing(EMULATOR, "-cpu", "max", executable) == ["scalar", "neon", "neon_dotprod", "neon_i8mm"]
    # Unsupported instruction sets are skipped.
    assert passing(EMULATOR, "-cpu", "cortex-a53", executable, "3") == ["scalar", "neon"]
    assert passing(EMULATOR, "-cpu", "cortex-a76", executable, "3") == ["scalar", "neon", "neon_dotprod"]
