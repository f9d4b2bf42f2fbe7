"""The settings of a plain quantization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import onnx_ir as ir

from octavo.data import SampleSet
from octavo.graph.plan import Plan
from octavo.system.progress import Progress, Silent
from octavo.targets import Target

Planner = Callable[[ir.Model, Mapping[str, str]], Plan]


@dataclass(frozen=True)
class Settings:
    """The settings of a quantization, the same for all of its states.

    Attributes:
        target: the target to quantize for.
        samples: the calibration samples.
        planner: plans a prepared model, given the layers to leave in float by name, with the reason of each.
        threads: threads of ONNX Runtime; None for its own choice.
        batch_size: samples in a run of the calibration pass; None for the calibration pass's own choice.
        seed: seed of every random draw.
        identify: keep a hash of each calibration sample.
        progress: receives progress events.
    """

    target: Target
    samples: SampleSet
    planner: Planner
    threads: int | None = None
    batch_size: int | None = None
    seed: int = 0
    identify: bool = True
    progress: Progress = field(default_factory=Silent)
