"""Peak resident memory of the process."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import psutil
import pytest

from octavo.measure import peak_rss_bytes


def test_freed_memory_still_counts() -> None:
    process, size = psutil.Process(), 64 << 20
    before = peak_rss_bytes()
    assert before >= process.memory_info().rss
    block = np.ones((before - process.memory_info().rss + size) // 8)
    resident = process.memory_info().rss
    del block
    # Linux updates the page counts per thread, in batches.
    assert peak_rss_bytes() >= resident * 0.99 > before


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere getrusage is all there is")
def test_memory_of_the_parent_process_does_not_count() -> None:
    block = np.ones(1 << 27, np.uint8)
    code = "from octavo.measure.peak_rss import peak_rss_bytes; print(peak_rss_bytes())"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    own_peak = psutil.Process().memory_info().rss
    assert own_peak > block.nbytes
    assert 0 < int(completed.stdout) < own_peak
