"""The largest memory the process has held."""

from __future__ import annotations

import numpy as np
import psutil

from octavo.measure import peak_rss_bytes


def test_memory_that_was_given_back_still_counts() -> None:
    process, size = psutil.Process(), 64 << 20
    before = peak_rss_bytes()
    assert before >= process.memory_info().rss
    block = np.ones((before - process.memory_info().rss + size) // 8)
    held = process.memory_info().rss
    del block
    assert peak_rss_bytes() >= held * 0.999 > before
