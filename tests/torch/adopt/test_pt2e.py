"""Conversion of pt2e programs to QDQ models."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch

from octavo.errors import ModelError, OptionError
from octavo.targets import target
from octavo.torch import from_pt2e, verify

pytest.importorskip("torch.ao.quantization.fx._decomposed")
converting = pytest.importorskip("tests.helpers.torch_conversion")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
Q = torch.ops.quantized_decomposed


class Quantized(torch.nn.Module):
    """A convolution and a linear layer as convert_pt2e returns them, with configurable bounds and weights."""

    def __init__(self, low: int = 0, high: int = 255, folded: bool = True, rank: int = 2) -> None:
        super().__init__()
        self.bounds, self.folded, self.rank = (low, high), folded, rank
        random = torch.Generator().manual_seed(0)
        conv, fc = torch.randn(8, 3, 3, 3, generator=random), torch.randn(5, 8, generator=random)
        self.scale, self.zeros = conv.abs().amax((1, 2, 3)) / 127.5, torch.zeros(8, dtype=torch.int64)
        self.fc_scale = float(fc.abs().max()) / 127.5
        self.bias = torch.nn.Parameter(torch.randn(8, generator=random))
        self.conv = torch.nn.Parameter(conv)
        self.fc = Q.quantize_per_tensor(fc, self.fc_scale, 0, -128, 127, torch.int8)
        self.integers = Q.quantize_per_channel(conv, self.scale, self.zeros, 0, -127, 127, torch.int8)

    def forward(self, x: Any) -> Any:
        x = torch.relu(torch.conv2d(self.on_grid(x, 0.03, 100), self.weight(), self.bias, padding=1))
        x = self.on_grid(torch.max_pool2d(self.on_grid(x, 0.05, 0), 2), 0.05, 0)
        fc = Q.dequantize_per_tensor(self.fc, self.fc_scale, 0, -128, 127, torch.int8)
        x = x.flatten(2).transpose(1, 2) if self.rank == 3 else x.mean((2, 3))
        return torch.nn.functional.linear(self.on_grid(x, 0.02, 0), fc)

    def on_grid(self, x: Any, scale: float, zero_point: int) -> Any:
        q = Q.quantize_per_tensor(x, scale, zero_point, *self.bounds, torch.uint8)
        return Q.dequantize_per_tensor(q, scale, zero_point, *self.bounds, torch.uint8)

    def weight(self) -> Any:
        q = self.integers
        if not self.folded:
            q = Q.quantize_per_channel(self.conv, self.scale, self.zeros, 0, -127, 127, torch.int8)
        return Q.dequantize_per_channel(q, self.scale, self.zeros, 0, -127, 127, torch.int8)


def wide() -> Any:
    """An input beyond both bounds of the grid."""
    return converting.images() * 4


def operators(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def stored(model: ir.Model, dtype: ir.DataType) -> list[ir.Value]:
    return [value for value in model.graph.initializers.values() if value.dtype == dtype and len(value.shape or ()) > 0]


@pytest.mark.parametrize(
    ("bounds", "folded", "rank"),
    [((0, 255), True, 2), ((0, 127), True, 2), ((20, 200), False, 3)],
    ids=["full range", "reduced range", "narrow range, float weights"],
)
def test_the_model_equals_the_program(bounds: tuple[int, int], folded: bool, rank: int) -> None:
    module = Quantized(*bounds, folded, rank)
    model = from_pt2e(module, (wide(),))
    onnx.checker.check_model(ir.to_proto(model), full_check=True)
    agreement = verify(model, module, [(wide() * factor,) for factor in (0.3, 1.0, 3.0)], target=target("x86-vnni"))
    assert agreement.holds
    assert agreement.equal >= 0.99
    integers = module.integers.numpy()
    assert any(np.array_equal(value.const_value.numpy(), integers) for value in stored(model, ir.DataType.INT8))


def test_weights_are_integers_and_biases_int32() -> None:
    model = from_pt2e(Quantized(rank=3), (wide(),))
    for node in model.graph:
        if node.op_type in ("Conv", "MatMul"):
            assert all(value.producer().op_type == "DequantizeLinear" for value in node.inputs if value is not None)
    (bias,) = stored(model, ir.DataType.INT32)
    module = Quantized()
    step = 0.03 * module.scale.double()
    assert np.array_equal(bias.const_value.numpy(), torch.round(module.bias.detach() / step).int().numpy())
    assert not [value for value in stored(model, ir.DataType.FLOAT) if value.const_value.size > 8]


def test_clips_are_inserted_only_where_values_can_exceed_narrow_bounds() -> None:
    assert "Clip" not in operators(from_pt2e(Quantized(), (wide(),)))
    # Not after the pool, whose input has the same parameters.
    assert operators(from_pt2e(Quantized(0, 127), (wide(),))).count("Clip") == 3


def test_the_model_keeps_dynamic_shapes_and_shares_no_memory_with_the_module() -> None:
    module = Quantized()
    batch = {0: torch.export.Dim("N", min=2, max=64)}
    program = torch.export.export(module, (wide(),), dynamic_shapes=(batch,))
    model = from_pt2e(program)
    assert not isinstance(model.graph.inputs[0].shape[0], int)
    with torch.no_grad():
        module.bias.fill_(1.0)
    other = from_pt2e(module, (wide(),))
    assert not np.array_equal(*(stored(m, ir.DataType.INT32)[0].const_value.numpy() for m in (model, other)))
    assert verify(model, program, [(converting.images(1, (9, 3, 9, 7)),)]).compared == 45


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    from_pt2e(Quantized(0, 127), (wide(),))
    assert capfd.readouterr() == ("", "")


class Dynamic(torch.nn.Module):
    """Computes its scale from each input."""

    def forward(self, x: Any) -> Any:
        scale, zero_point = Q.choose_qparams(x, 0, 255, 1e-6, torch.uint8)
        q = Q.quantize_per_tensor(x, scale, zero_point, 0, 255, torch.uint8)
        return Q.dequantize_per_tensor(q, scale, zero_point, 0, 255, torch.uint8)


def test_unsupported_programs_are_errors() -> None:
    with pytest.raises(ModelError, match="no quantized_decomposed operators; give what convert_pt2e returned"):
        from_pt2e(torch.nn.ReLU(), (wide(),))
    with pytest.raises(OptionError, match="sample inputs"):
        from_pt2e(Quantized())
    with pytest.raises(ModelError, match="computed at run time; quantize it statically"):
        from_pt2e(Dynamic(), (wide(),))
    with pytest.raises(ModelError, match=r"torch\.export cannot trace"):
        from_pt2e(Quantized(), (torch.ones(2),))


@pytest.mark.slow
@pytest.mark.parametrize("reduce_range", [False, True])
def test_models_quantized_by_torchao(reduce_range: bool) -> None:
    flow = pytest.importorskip("torchao.quantization.pt2e.quantize_pt2e")
    x86 = pytest.importorskip("torchao.quantization.pt2e.quantizer.x86_inductor_quantizer")
    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config(reduce_range=reduce_range))
    program = torch.export.export(converting.seeded(converting.Chain), (converting.images(),))
    prepared = flow.prepare_pt2e(program.module(), quantizer)
    prepared(converting.images())
    module = flow.convert_pt2e(prepared)
    model = from_pt2e(module, (converting.images(),))
    assert verify(model, module, [(converting.images(1) * 2,)], target=target("fbgemm")).holds
    assert ("Clip" in operators(model)) == reduce_range
