"""Streaming calibration: one pass over the samples in bounded memory, resumable, with reproducible bytes."""

from __future__ import annotations

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.run import run

__all__ = ["Calibration", "run"]
