"""The target of this machine."""

from __future__ import annotations

import platform
from pathlib import Path

_ARM = {"aarch64", "arm64"}
_VNNI = {"avx512_vnni", "avx_vnni"}


def this_machine() -> str:
    """The name of the target for this machine's processor.

    `arm-neon` on ARM; on x86 `x86-vnni` with 8-bit dot products (AVX-512 VNNI or AVX-VNNI), else `x86-avx2`, whose
    7-bit weights cannot saturate.
    """
    if platform.machine().lower() in _ARM:
        return "arm-neon"
    return "x86-vnni" if _VNNI & cpu_flags() else "x86-avx2"


def cpu_flags() -> set[str]:
    """Instruction-set flags of the first processor in /proc/cpuinfo; empty on other systems than Linux."""
    try:
        # Line by line, because the kernel generates the text of all processors while it is read.
        with Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
            flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:
        return set()
    return set(flags.partition(":")[2].split())
