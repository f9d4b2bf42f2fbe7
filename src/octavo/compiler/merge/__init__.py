"""Operations that run as one: what lies between them need not be written to memory and read again."""

from __future__ import annotations

from octavo.compiler.merge.addends import merge_addends
from octavo.compiler.merge.attention import merge_attentions
from octavo.compiler.merge.functions import merge_functions
from octavo.compiler.merge.quantize import merge_quantizations
from octavo.compiler.merge.scale import merge_scales
from octavo.compiler.merge.sums import merge_sums
from octavo.compiler.merge.transposes import merge_transposes
from octavo.compiler.merge.unused import drop_unused
from octavo.compiler.program import Program


def merge(program: Program) -> None:
    """Merge what can be, in an order in which each step finds what the ones before leave."""
    drop_unused(program)
    for each in (
        merge_functions,
        merge_addends,
        merge_quantizations,
        merge_scales,
        merge_transposes,
        merge_attentions,
        merge_sums,
    ):
        each(program)
    drop_unused(program)


__all__ = ["merge"]
