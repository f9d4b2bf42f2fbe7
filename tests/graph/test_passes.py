"""Every graph pass has one interface and reports whether it modified the model."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest
from tests.helpers import models
from tests.helpers.models import build, node, random

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
from octavo.graph.passes.require_wide_opset import RequireWideOpsetPass
from octavo.graph.passes.upgrade_opset import UpgradeOpsetPass

PASSES: list[type[ir.passes.PassBase]] = [
    FoldChannelsPass,
    FoldConstantsPass,
    FoldGemmFactorsPass,
    FoldPaddingPass,
    FuseMatMulBiasPass,
    InferShapesPass,
    LowerOpsetPass,
    MeanToPoolingPass,
    NameNodesPass,
    RemoveNoOpsPass,
    RequireWideOpsetPass,
    UpgradeOpsetPass,
]


def gemm(**attributes: float) -> onnx.ModelProto:
    """A Gemm with a bias."""
    nodes = [node("Gemm", ["x", "w", "b"], "y", **attributes)]
    return build(nodes, {"x": ["N", 8]}, {"y": ["N", 6]}, {"w": random(8, 6), "b": random(6)})


@pytest.mark.parametrize("kind", PASSES)
def test_a_pass_leaves_a_model_without_its_pattern_unmodified(kind: type[ir.passes.PassBase]) -> None:
    model = ir.from_proto(gemm())
    InferShapesPass()(model)
    NameNodesPass()(model)
    before = ir.to_proto(model).SerializeToString()
    result = kind()(model)
    assert not result.modified
    assert ir.to_proto(result.model).SerializeToString() == before


MODIFIED = [
    (FoldChannelsPass, models.conv_batch_norm()),
    (FoldChannelsPass, models.transposed_batch_norm()),
    (FoldPaddingPass, models.pad_conv()),
    (RemoveNoOpsPass, models.idle()),
    (FoldGemmFactorsPass, gemm(alpha=0.5, beta=2.0)),
    (FuseMatMulBiasPass, models.matmul_bias()),
]


@pytest.mark.parametrize(("kind", "proto"), MODIFIED)
def test_a_pass_reports_that_it_modified_the_model_and_only_once(
    kind: type[ir.passes.PassBase], proto: onnx.ModelProto
) -> None:
    model = ir.from_proto(proto)
    InferShapesPass()(model)
    assert kind()(model).modified
    assert not kind()(model).modified
