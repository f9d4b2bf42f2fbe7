"""The largest memory this process has held."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil


def peak_rss_bytes() -> int:
    """Peak resident memory of the process in bytes; the present one where the system keeps no peak."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        # getrusage also counts what the parent held before it became this process.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
