"""Products on registers alone, which benchmarks hold gemm against."""

from __future__ import annotations

from time import perf_counter

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
    """A compiler that found out what the rounds give would take no longer for more of them."""

    def seconds(rounds: int) -> float:
        start = perf_counter()
        kernels(isa).dots(rounds)
        return perf_counter() - start

    assert min(seconds(500_000) for _ in range(5)) > 20 * min(seconds(5_000) for _ in range(5))
