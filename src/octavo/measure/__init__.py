"""Metrics with confidence intervals, per-layer errors, latency, energy, memory."""

from __future__ import annotations

from octavo.measure.diagnose import Diagnosis, Evidence, diagnose
from octavo.measure.energy import Energy, estimate
from octavo.measure.evaluate import MetricResult, evaluate
from octavo.measure.evaluation import Evaluation
from octavo.measure.latency import Latency, latencies, latency_doubt
from octavo.measure.layers import TensorError, counterparts, tensor_errors
from octavo.measure.outputs import OutputFigure
from octavo.measure.peak_rss import peak_rss_bytes
from octavo.measure.powercap import EnergyCounter, energy_counter, joules
from octavo.measure.workload import model_workload

__all__ = [
    "Diagnosis",
    "Energy",
    "EnergyCounter",
    "Evaluation",
    "Evidence",
    "Latency",
    "MetricResult",
    "OutputFigure",
    "TensorError",
    "counterparts",
    "diagnose",
    "energy_counter",
    "estimate",
    "evaluate",
    "joules",
    "latencies",
    "latency_doubt",
    "model_workload",
    "peak_rss_bytes",
    "tensor_errors",
]
