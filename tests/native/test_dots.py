"""The dot instruction on registers alone, the peak that benchmarks compare GEMM with."""

from __future__ import annotations

from time import thread_time

from tests.helpers.instruction_sets import each_isa

from octavo.native import kernels


@each_isa
def test_multiply_adds_are_counted(isa: str) -> None:
    dots = kernels(isa).dots
    assert dots(0) == 0
    assert dots(1) > 0
    assert dots(1000) == 1000 * dots(1)


@each_isa
def test_every_round_is_run(isa: str) -> None:
    """CPU time grows with the rounds: the compiler did not fold the loop."""

    def cpu_seconds(rounds: int) -> float:
        start = thread_time()
        kernels(isa).dots(rounds)
        return thread_time() - start

    assert min(cpu_seconds(500_000) for _ in range(5)) > 20 * min(cpu_seconds(5_000) for _ in range(5))
