"""Merging: adjacent operations of a program become one kernel, without the tensors between. One pass a file."""

from __future__ import annotations

from octavo.compiler.merge.attention import merge_attention
from octavo.compiler.merge.drop_unused import drop_unused
from octavo.compiler.merge.layer_norm_adds import merge_layer_norm_adds
from octavo.compiler.merge.matmul_functions import merge_matmul_functions
from octavo.compiler.merge.quantizes import merge_quantizes
from octavo.compiler.merge.residual_adds import merge_residual_adds
from octavo.compiler.merge.scales import merge_scales
from octavo.compiler.merge.transposes import merge_transposes
from octavo.compiler.passes import ProgramPass

# In order: each pass matches what the passes before it leave.
MERGES: tuple[ProgramPass, ...] = (
    drop_unused,
    merge_matmul_functions,
    merge_layer_norm_adds,
    merge_quantizes,
    merge_scales,
    merge_transposes,
    merge_attention,
    merge_residual_adds,
    drop_unused,
)

__all__ = ["MERGES"]
