"""Peak resident set size of this process."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil


def peak_rss_bytes() -> int:
    """Peak resident set size in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        # ru_maxrss also includes the parent before exec.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else int(peak) * 1024
