"""Bring a float model into the form that planning expects, without changing what it computes."""

from __future__ import annotations

import onnx_ir as ir
import onnx_ir.passes.common as common

from octavo.graph.passes.channels import fold_channels
from octavo.graph.passes.folding import fold_constants
from octavo.graph.passes.gemm import fold_factors, join_bias
from octavo.graph.passes.idle import remove_idle
from octavo.graph.passes.names import name_nodes
from octavo.graph.passes.opset import modernize, settle
from octavo.graph.passes.padding import fold_pads
from octavo.graph.passes.pooling import pool_means
from octavo.graph.passes.shapes import infer_shapes


def prepare(model: ir.Model) -> ir.Model:
    """A rewritten copy: an opset that engines know, 13 or newer, functions inlined, constants folded, layers fused.

    Names, types and order of the graph's inputs and outputs stay, and so does the model's metadata;
    an initializer that is also listed as an input becomes a constant.

    Raises:
        ModelError: the model's opset is too old to be converted.
    """
    model = modernize(model.clone())
    common.RemoveInitializersFromInputsPass()(model)
    if model.functions:
        common.InlinePass()(model)
    settle(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=False, size_limit=0)(model)
    name_nodes(model)
    infer_shapes(model)
    remove_idle(model)
    fold_constants(model)
    _simplify(model)
    common.RemoveUnusedNodesPass()(model)
    common.RemoveUnusedOpsetsPass()(model)
    name_nodes(model)
    infer_shapes(model)
    return model


def _simplify(model: ir.Model) -> None:
    fold_factors(model)
    fold_pads(model)
    join_bias(model)
    pool_means(model)
    fold_channels(model)
    remove_idle(model)
