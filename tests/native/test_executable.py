"""The C++ tests of the kernels: here with the sanitizers, and for aarch64 with one of them in an
emulator, with all that NEON has."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from octavo.native import cpu

NATIVE = Path(__file__).resolve().parents[2] / "native"
CMAKE = (sys.executable, "-m", "cmake")
CROSS_COMPILER, EMULATOR = "aarch64-linux-gnu-g++", "qemu-aarch64-static"
SANITIZED = (
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1",  # more takes minutes to compile
    "-DCMAKE_CXX_FLAGS=-fsanitize=address,undefined -fno-sanitize-recover",
)
CROSS = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    f"-DCMAKE_CXX_COMPILER={CROSS_COMPILER}",
    # The address sanitizer does not run in the emulator.
    "-DCMAKE_CXX_FLAGS=-fsanitize=undefined -fno-sanitize-recover",
    "-DCMAKE_EXE_LINKER_FLAGS=-static",
)

pytestmark = pytest.mark.slow


def build(place: Path, *options: str) -> str:
    """The executable, compiled with warnings as errors."""
    for command in (
        [*CMAKE, "-S", str(NATIVE), "-B", str(place), "-DCMAKE_COMPILE_WARNING_AS_ERROR=ON", *options],
        [*CMAKE, "--build", str(place), "--parallel", "2"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return str(place / "tests" / "octavo_native_tests")


def passing(*command: str) -> list[str]:
    """The instruction sets that the executable found and passed with."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_every_instruction_set_of_this_processor_under_the_sanitizers(tmp_path):
    executable = build(tmp_path, *SANITIZED)
    assert passing(executable) == list(cpu().available)


@pytest.mark.skipif(shutil.which(CROSS_COMPILER) is None, reason=f"{CROSS_COMPILER} is not installed")
@pytest.mark.skipif(shutil.which(EMULATOR) is None, reason=f"{EMULATOR} is not installed")
def test_every_level_of_neon_in_an_emulator(tmp_path):
    executable = build(tmp_path, *CROSS)
    assert passing(EMULATOR, "-cpu", "max", executable) == ["scalar", "neon", "neon_dotprod", "neon_i8mm"]
    # What a processor lacks is not run on it.
    assert passing(EMULATOR, "-cpu", "cortex-a53", executable, "3") == ["scalar", "neon"]
    assert passing(EMULATOR, "-cpu", "cortex-a76", executable, "3") == ["scalar", "neon", "neon_dotprod"]
