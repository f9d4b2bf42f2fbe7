"""C and C++ programs that use the native runtime, built once per set of compiler flags and shared by all tests.

`python -m tests.helpers.native_build sanitized octavo_fuzz` builds one of them and prints its path.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from octavo.native import cpu

ROOT = Path(__file__).resolve().parents[2]
CMAKE = (sys.executable, "-m", "cmake")
SOURCE = ROOT / "tests" / "native" / "consumers"
TREES = ROOT / "build" / "native"
EMULATOR = "qemu-aarch64-static"
_CROSS = (
    "-DCMAKE_SYSTEM_NAME=Linux",
    "-DCMAKE_SYSTEM_PROCESSOR=aarch64",
    "-DCMAKE_C_COMPILER=aarch64-linux-gnu-gcc",
    "-DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++",
)


def _sanitized(flags: str, isas: Iterable[str] = ()) -> tuple[str, ...]:
    """CMake options of a sanitized build with some or all instruction sets of the architecture."""
    return (
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1",  # -O2 takes minutes to compile
        f"-DCMAKE_CXX_FLAGS={flags}",
        f"-DOCTAVO_ISAS={';'.join(isas)}",
    )


def _address_and_undefined() -> tuple[str, ...]:
    """Clang's sanitizers if libFuzzer is installed, so that the fuzzer shares the objects; else GCC's."""
    if not has_fuzzer():
        return _sanitized("-fsanitize=address,undefined -fno-sanitize-recover", cpu().available)
    checks = "-fsanitize=fuzzer-no-link,address,undefined,float-cast-overflow -fno-sanitize-recover=all"
    return ("-DCMAKE_C_COMPILER=clang", "-DCMAKE_CXX_COMPILER=clang++", *_sanitized(checks, cpu().available))


@dataclass(frozen=True)
class Variant:
    """A set of compiler flags with a separate build tree.

    Attributes:
        name: folder of the tree, under build/native.
        options: returns the CMake options.
        tools: required programs other than the default compiler.
        prefix: command that runs the built programs, such as an emulator.
    """

    name: str
    options: Callable[[], tuple[str, ...]] = tuple
    tools: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()

    @property
    def tree(self) -> Path:
        """The build tree: programs in bin, libraries in lib."""
        return TREES / self.name


RELEASE = Variant("release")
SANITIZED = Variant("sanitized", _address_and_undefined)
# Its program runs the default instruction set only.
RACES = Variant("races", lambda: _sanitized("-fsanitize=thread", [cpu().runs]))
_CROSS_TOOLS = ("aarch64-linux-gnu-g++", EMULATOR)
AARCH64 = Variant("aarch64", lambda: _CROSS, _CROSS_TOOLS, (EMULATOR, "-cpu", "max", "-L", "/usr/aarch64-linux-gnu"))
# The address sanitizer does not work in the emulator.
AARCH64_SANITIZED = Variant(
    "aarch64_sanitized",
    lambda: (
        *_CROSS,
        *_sanitized("-fsanitize=undefined -fno-sanitize-recover"),
        "-DCMAKE_EXE_LINKER_FLAGS=-static",
    ),
    _CROSS_TOOLS,
    (EMULATOR, "-cpu", "max"),
)


@cache
def has_fuzzer() -> bool:
    """Whether clang++ with libFuzzer and the address sanitizer is installed."""
    if shutil.which("clang++") is None or shutil.which("clang") is None:
        return False
    source = 'extern "C" int LLVMFuzzerTestOneInput(const char*, unsigned long) { return 0; }'
    command = ["clang++", "-fsanitize=fuzzer,address", "-x", "c++", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=False).returncode == 0


@cache
def built(variant: Variant, target: str) -> Path:
    """Build a program or library with warnings as errors; a lock serializes builds of the same tree.

    Skips the test if a tool of the variant is not installed.
    """
    for tool in variant.tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")
    variant.tree.mkdir(parents=True, exist_ok=True)
    directories = [
        f"-DCMAKE_RUNTIME_OUTPUT_DIRECTORY={variant.tree / 'bin'}",
        f"-DCMAKE_LIBRARY_OUTPUT_DIRECTORY={variant.tree / 'lib'}",
    ]
    options = ["-DCMAKE_COMPILE_WARNING_AS_ERROR=ON", *directories, *variant.options()]
    with open(variant.tree / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _run([*CMAKE, "-S", str(SOURCE), "-B", str(variant.tree), *options])
        _run([*CMAKE, "--build", str(variant.tree), "--parallel", "2", "--target", target])
    library = variant.tree / "lib" / f"lib{target}.so"
    return library if library.exists() else variant.tree / "bin" / target


def _run(command: list[str]) -> None:
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout + completed.stderr


def digits_bundle(folder: Path, batch: int | None = None) -> Path:
    """The digits model, quantized and compiled."""
    import octavo
    from octavo.compiler import compile_model

    digits = ROOT / "examples" / "digits"
    result = octavo.quantize(digits / "digits.onnx", digits / "calib.npz", target="octavo")
    path = folder / "digits.oct"
    path.write_bytes(compile_model(result.model, batch=batch))
    return path


def encoder_bundle(folder: Path) -> Path:
    """A small random encoder (embeddings, mask, attention, layer normalization, GELU) with another, image input."""
    from tests.helpers.native_encoder import encoder

    return encoder().bundle(folder / "encoder.oct")


if __name__ == "__main__":
    variants = {variant.name: variant for variant in (RELEASE, SANITIZED, RACES, AARCH64, AARCH64_SANITIZED)}
    print(built(variants[sys.argv[1]], sys.argv[2]))
