"""The streaming pass over calibration samples: bounded memory, resumable, the same bytes in the end."""

from __future__ import annotations

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.run import run

__all__ = ["Calibration", "run"]
