"""Bring a float model into the form that planning expects, without changing the function it computes."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common

from octavo.graph.passes.fold_channels import FoldChannelsPass
from octavo.graph.passes.fold_constants import FoldConstantsPass
from octavo.graph.passes.fold_gemm_factors import FoldGemmFactorsPass
from octavo.graph.passes.fold_padding import FoldPaddingPass
from octavo.graph.passes.fuse_matmul_bias import FuseMatMulBiasPass
from octavo.graph.passes.infer_shapes import InferShapesPass
from octavo.graph.passes.lower_opset import LowerOpsetPass
from octavo.graph.passes.mean_to_pooling import MeanToPoolingPass
from octavo.graph.passes.name_nodes import NameNodesPass
from octavo.graph.passes.remove_no_ops import RemoveNoOpsPass
from octavo.graph.passes.upgrade_opset import UpgradeOpsetPass

# The first pass copies the model; the others work in place on the copy.
_PASSES: tuple[ir.passes.PassBase, ...] = (
    UpgradeOpsetPass(),
    common.RemoveInitializersFromInputsPass(),
    common.InlinePass(),
    LowerOpsetPass(),
    common.LiftConstantsToInitializersPass(lift_all_constants=False, size_limit=0),
    NameNodesPass(),
    InferShapesPass(),
    RemoveNoOpsPass(),
    FoldConstantsPass(),
    FoldGemmFactorsPass(),
    FoldPaddingPass(),
    FuseMatMulBiasPass(),
    MeanToPoolingPass(),
    FoldChannelsPass(),
    RemoveNoOpsPass(),
    common.RemoveUnusedNodesPass(),
    common.RemoveUnusedOpsetsPass(),
    NameNodesPass(),
    InferShapesPass(),
)


def prepare(model: ir.Model, share_constants: bool = False) -> ir.Model:
    """A rewritten copy: an opset that engines support, 13 or newer, functions inlined, constants folded, layers fused.

    Names, types and order of the graph's inputs and outputs stay, and so does the model's metadata;
    an initializer that is also listed as an input becomes a constant.

    Args:
        model: a float model; it is not modified.
        share_constants: keep a Transpose of a constant that other nodes read too, so that the constant is stored
            once; targets that quantize weights alone gain nothing from a second copy.

    Raises:
        ModelError: the model's opset is too old to be converted.
    """
    for step in _PASSES:
        model = (FoldConstantsPass(share_constants) if isinstance(step, FoldConstantsPass) else step)(model).model
    return model
