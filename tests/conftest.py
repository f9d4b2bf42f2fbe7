"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Must be set before PyTorch is imported: the spinning threads of several test workers slow each other down.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("octavo", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("octavo")
