"""Energy estimate of a run, for machines without an energy counter.

The energies of one operation are those of M. Horowitz, "Computing's energy problem (and what we can do about it)",
ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V. Current processors need less for arithmetic, and instructions, registers,
clocks and leakage are not included. The figures compare models; they do not predict battery life.
"""

from __future__ import annotations

from dataclasses import dataclass

from octavo.graph.workload import Workload

SOURCE = "Horowitz, ISSCC 2014, 45 nm"

# Picojoules: int8 multiplication and int32 addition; float32 multiplication and addition; 64 bits from a 1 MB cache;
# 64 bits from DRAM (1.3 to 2.6 nJ, of which the lower bound).
_INT8_MAC = 0.2 + 0.1
_FLOAT_MAC = 3.7 + 0.9
_CACHE_BYTE = 100.0 / 8
_DRAM_BYTE = 1300.0 / 8
_PICO = 1e-12


@dataclass(frozen=True)
class Energy:
    """Joules of one run: arithmetic, and memory traffic of weights and activations."""

    arithmetic: float
    weights: float
    activations: float

    @property
    def total(self) -> float:
        """The sum, in joules."""
        return self.arithmetic + self.weights + self.activations


def estimate(work: Workload) -> Energy:
    """Estimate with weights read from DRAM once per run, and activations in a 1 MB cache."""
    arithmetic = work.int8_macs * _INT8_MAC + work.float_macs * _FLOAT_MAC
    return Energy(
        arithmetic * _PICO, work.weight_bytes * _DRAM_BYTE * _PICO, work.activation_bytes * _CACHE_BYTE * _PICO
    )
