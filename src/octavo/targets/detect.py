"""Which target fits the machine this runs on."""

from __future__ import annotations

import platform
from pathlib import Path

_ARM = {"aarch64", "arm64"}
_VNNI = {"avx512_vnni", "avx_vnni"}


def this_machine() -> str:
    """The name of the target for this machine's processor.

    ARM gives `arm-neon`; x86 gives `x86-vnni` when the processor has 8-bit dot products (AVX-512
    VNNI or AVX-VNNI) and otherwise `x86-avx2`, which is safe on every x86 processor.
    """
    if platform.machine().lower() in _ARM:
        return "arm-neon"
    return "x86-vnni" if _VNNI & cpu_flags() else "x86-avx2"


def cpu_flags() -> set[str]:
    """The instruction-set flags Linux names for the first processor; empty on other systems."""
    try:
        # Line by line: the text is made while it is read, and that of a hundred more processors takes its time.
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return set()
    return set(flags.partition(":")[2].split())
