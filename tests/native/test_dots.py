"""Products on registers alone, which benchmarks hold gemm against."""

from __future__ import annotations

from time import thread_time

from tests.helpers.instruction_sets import each_isa

from octavo.native import kernels


@each_isa
def test_counts_the_multiply_adds_of_its_rounds(isa: str) -> None:
    dots = kernels(isa).dots
    assert dots(0) == 0
    assert dots(1) > 0
    assert dots(1000) == 1000 * dots(1)


@each_isa
def test_every_round_is_run(isa: str) -> None:
    """The CPU time of this thread grows with the rounds: the compiler did not replace the loop by its result."""

    def cpu_seconds(rounds: int) -> float:
        start = thread_time()
        kernels(isa).dots(rounds)
        return thread_time() - start

    assert min(cpu_seconds(500_000) for _ in range(5)) > 20 * min(cpu_seconds(5_000) for _ in range(5))
