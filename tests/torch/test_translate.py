"""PyTorch's results against ONNX Runtime's on the same subgraphs."""

from __future__ import annotations

import sys

import numpy as np
import onnx_ir as ir
import pytest
from tests import models

from octavo.engines.onnxruntime import Session
from octavo.errors import DependencyError
from octavo.torch import evaluate, untranslatable

torch = pytest.importorskip("torch")


@pytest.mark.parametrize(
    "pattern", ["conv_relu", "conv_clip", "residual", "depthwise", "grouped_conv", "conv1d", "conv3d", "mlp", "gate",
                "scaled_gemm", "channel_arithmetic"]
)  # fmt: skip
def test_it_computes_what_onnx_runtime_does(pattern: str) -> None:
    proto = models.PATTERNS[pattern]()
    model, feeds = ir.from_proto(proto), models.feeds(proto)
    nodes = list(model.graph)
    assert untranslatable(nodes) == []
    found = evaluate(nodes, {name: torch.tensor(array) for name, array in feeds.items()})
    for name, array in Session(model).run(feeds).items():
        np.testing.assert_allclose(found[name].numpy(), array, atol=1e-5, rtol=1e-5)


def test_operators_it_does_not_know_are_named_once() -> None:
    assert untranslatable(list(ir.from_proto(models.layer_norm()).graph)) == ["LayerNormalization", "Softmax"]


def test_without_pytorch_it_says_which_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match=r"octavo\[torch\]"):
        evaluate([], {})
