"""Post-training quantization, made whole: an FP32 model and a little data in, a verified INT8 model out."""

from __future__ import annotations

from importlib.metadata import version

from octavo import errors, torch
from octavo.data import Preprocess
from octavo.engines.native import load
from octavo.measure import Evaluation, MetricResult, evaluation
from octavo.native import Cpu, cpu
from octavo.pipeline.quantize import quantize
from octavo.pipeline.result import QuantizationResult

__version__ = version("octavo")

__all__ = [
    "Cpu",
    "Evaluation",
    "MetricResult",
    "Preprocess",
    "QuantizationResult",
    "cpu",
    "errors",
    "evaluation",
    "load",
    "quantize",
    "torch",
]
