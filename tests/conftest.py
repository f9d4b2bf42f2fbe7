"""Settings that every test shares."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Before PyTorch is imported: several workers with threads of their own, which wait by spinning, slow each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("octavo", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.load_profile("octavo")
