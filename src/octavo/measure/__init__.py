"""Accuracy with intervals, errors layer by layer, latency, memory."""

from __future__ import annotations

from octavo.measure.diagnose import Diagnosis, Evidence, diagnose
from octavo.measure.evaluate import MetricResult, evaluate
from octavo.measure.evaluation import Evaluation
from octavo.measure.latency import Latency, latencies, rounds
from octavo.measure.layers import TensorError, counterparts, tensor_errors
from octavo.measure.memory import peak_rss_bytes

__all__ = [
    "Diagnosis",
    "Evaluation",
    "Evidence",
    "Latency",
    "MetricResult",
    "TensorError",
    "counterparts",
    "diagnose",
    "evaluate",
    "latencies",
    "peak_rss_bytes",
    "rounds",
    "tensor_errors",
]
