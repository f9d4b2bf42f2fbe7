"""An estimate of the energy of a run where no counter measures it.

The energies of one operation are those of M. Horowitz, "Computing's energy problem (and what we can do about it)",
ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V. A processor of today takes less for arithmetic, and more for all that this
leaves out: instructions, registers, clocks, leakage. So the figures compare models; they are no battery's.
"""

from __future__ import annotations

from dataclasses import dataclass

from octavo.graph.workload import Workload

SOURCE = "Horowitz, ISSCC 2014, 45 nm"

# Picojoules: a product of 8 bits and a sum of 32, a float32 product and sum; 64 bits from a cache of 1 MB, and from
# DRAM, of whose range (1.3 to 2.6 nJ) this is the lower end.
_INT8_MAC = 0.2 + 0.1
_FLOAT_MAC = 3.7 + 0.9
_CACHE_BYTE = 100.0 / 8
_DRAM_BYTE = 1300.0 / 8
_PICO = 1e-12


@dataclass(frozen=True)
class Energy:
    """Joules of one run: of the arithmetic, and of moving weights and activations."""

    arithmetic: float
    weights: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.arithmetic + self.weights + self.activations


def estimate(work: Workload) -> Energy:
    """Weights come from DRAM once a run, activations go to and from a cache of 1 MB."""
    arithmetic = work.int8_macs * _INT8_MAC + work.float_macs * _FLOAT_MAC
    return Energy(
        arithmetic * _PICO, work.weight_bytes * _DRAM_BYTE * _PICO, work.activation_bytes * _CACHE_BYTE * _PICO
    )
