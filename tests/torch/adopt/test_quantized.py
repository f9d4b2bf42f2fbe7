"""Conversion of modules of PyTorch's eager and FX flows to QDQ models."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch

from octavo.errors import ModelError
from octavo.graph import save, stored_bytes
from octavo.graph.preflight import violations
from octavo.targets import target
from octavo.torch import from_quantized, verify

converting = pytest.importorskip("tests.helpers.torch_conversion")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module", params=["fx", "eager"])
def module(request: pytest.FixtureRequest) -> Any:
    if request.param == "eager":
        return converting.by_hand([converting.images()])
    return converting.by_fx(converting.seeded(converting.Chain), [converting.images()])


def test_the_model_has_the_integers_of_the_module(module: Any) -> None:
    model = from_quantized(module, (converting.images(),))
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    assert not list(violations(model, target("fbgemm")))
    stored = [value.const_value.numpy() for value in model.graph.initializers.values()]
    for layer in (module.conv1, module.conv2, module.fc):
        integers = layer.weight().int_repr().numpy()
        assert any(array.dtype == np.int8 and np.array_equal(array, integers) for array in stored)
        scales = layer.weight().q_per_channel_scales().numpy().astype(np.float32)
        assert any(np.array_equal(array, scales) for array in stored)
        assert any(
            array.dtype == np.float32 and array.shape == () and array == np.float32(layer.scale) for array in stored
        )
    assert [node.op_type for node in model.graph if node.op_type in ("Cast", "Constant", "Identity")] == []


def test_the_model_takes_any_batch_size_and_can_be_saved(module: Any, tmp_path: Any) -> None:
    model = from_quantized(module, (converting.images(),))
    save(model, tmp_path / "model.onnx")
    assert stored_bytes(model) > 0
    agreement = verify(ir.load(tmp_path / "model.onnx"), module, [(converting.images(1, (7, 3, 9, 7)),)])
    assert agreement.compared == 35
    assert agreement.holds


def test_nothing_is_printed(module: Any, capfd: pytest.CaptureFixture[str]) -> None:
    from_quantized(module, (converting.images(),))
    assert capfd.readouterr() == ("", "")


def test_unsupported_modules_are_errors() -> None:
    with pytest.raises(ModelError, match="no quantized operators; give what convert or convert_fx returned"):
        from_quantized(converting.seeded(converting.Chain), (converting.images(),))
    with pytest.raises(ModelError, match="PyTorch cannot export the quantized module"):
        from_quantized(converting.by_hand([converting.images()]), (torch.ones(3),))
