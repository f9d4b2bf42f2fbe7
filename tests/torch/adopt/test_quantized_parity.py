"""PyTorch's quantized operators and models against Octavo: equal scales, equal integers.

The parameters of its observers are tested in tests/test_parity.py and tests/ranges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch
from numpy.typing import NDArray

import octavo
from octavo.affine import INT8, UINT8, QuantParams, bias_scale, conv, gemm, quantize_bias
from octavo.pipeline.recipe import Recipe
from octavo.torch import from_quantized, verify

converting = pytest.importorskip("tests.helpers.torch_conversion")

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

# x86 without VNNI adds pairs of products in saturating int16. 7-bit activations cannot overflow it, which is why
# PyTorch's configurations reduce the range.
LARGEST_INPUT = 127


@pytest.fixture(params=converting.ENGINES)
def engine(request: pytest.FixtureRequest) -> Any:
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = request.param
    yield request.param
    torch.backends.quantized.engine = before


class Layer:
    """Random operands of a layer, as integers and as PyTorch's quantized tensors."""

    def __init__(
        self, x: tuple[int, ...], w: tuple[int, ...], zeros: tuple[int, int], per_channel: bool, bias_on_step: bool
    ) -> None:
        random = np.random.default_rng([*x, *w, *zeros, per_channel])
        channels = w[:1] if per_channel else ()
        self.x = random.integers(0, LARGEST_INPUT + 1, x).astype(np.uint8)
        self.w = random.integers(-128, 128, w).astype(np.int8)
        self.x_params = QuantParams(UINT8, np.float32(0.037), np.int32(zeros[0]))
        w_scale = random.uniform(0.002, 0.02, channels).astype(np.float32)
        self.w_params = QuantParams(INT8, w_scale, np.zeros(channels, np.int32), 0 if per_channel else None)
        spread = float(np.sqrt(np.prod(w[1:]))) * 0.037 * float(w_scale.mean()) * 3000
        self.out_params = QuantParams(UINT8, np.float32(spread * 0.010377), np.int32(zeros[1]))
        step = np.broadcast_to(bias_scale(self.x_params.scale, w_scale), w[:1])
        bias = random.normal(size=w[:1]) * spread / 4
        # fbgemm adds biases in float; multiples of the accumulator's step are the same in int32.
        self.bias = (np.rint(bias / step) * step if bias_on_step else bias).astype(np.float32)
        self.bias_integers = quantize_bias(self.bias, self.x_params.scale, step / self.x_params.scale)

    def tensors(self) -> tuple[Any, Any, Any, float, int]:
        """Input, weight and bias for PyTorch, and the output's scale and zero point."""
        x = torch._make_per_tensor_quantized_tensor(
            torch.from_numpy(self.x), float(self.x_params.scale), int(self.x_params.zero_point)
        )
        integers, scale = torch.from_numpy(self.w), self.w_params.scale
        if self.w_params.axis is None:
            w = torch._make_per_tensor_quantized_tensor(integers, float(scale), 0)
        else:
            zeros = torch.zeros(len(scale), dtype=torch.int64)
            w = torch._make_per_channel_quantized_tensor(integers, torch.from_numpy(scale).double(), zeros, 0)
        out = self.out_params
        return x, w, torch.from_numpy(self.bias), float(out.scale), int(out.zero_point)

    def after_relu(self, q: NDArray[Any]) -> NDArray[Any]:
        return np.maximum(q, int(self.out_params.zero_point)).astype(q.dtype)


def assert_same(layer: Layer, actual: NDArray[Any], expected: NDArray[Any], exact: bool) -> None:
    assert np.ptp(expected) > 100, "the output must use its grid"
    steps = np.abs(actual.astype(int) - expected.astype(int))
    if exact:
        assert steps.max() == 0
    else:
        # A bias in int32 is at most half an accumulator's step off, which moves a result across a rounding
        # boundary with a probability below M / 2.
        share = float((layer.x_params.scale * layer.w_params.scale / layer.out_params.scale).max()) / 2
        assert steps.max() <= 1
        assert np.count_nonzero(steps) <= max(3, share * steps.size)


ZEROS = [(0, 0), (64, 128), (127, 255), (3, 17)]


@pytest.mark.parametrize("bias_on_step", [True, False], ids=["whole bias", "any bias"])
@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("size", [(1, 1, 7), (5, 33, 17), (64, 129, 31)])
def test_linear(
    engine: str, size: tuple[int, int, int], zeros: tuple[int, int], per_channel: bool, bias_on_step: bool
) -> None:
    rows, depth, width = size
    layer = Layer((rows * 40, depth), (width, depth), zeros, per_channel, bias_on_step)
    x, w, bias, scale, zero_point = layer.tensors()
    packed = torch.ops.quantized.linear_prepack(w, bias)
    expected = gemm(
        layer.x, layer.x_params, layer.w, layer.w_params, layer.out_params, layer.bias_integers, trans_b=True
    )
    exact = bias_on_step and engine == "fbgemm"
    actual = torch.ops.quantized.linear(x, packed, scale, zero_point).int_repr().numpy()
    assert_same(layer, actual, expected, exact)
    if zeros[1] < 200:
        actual = torch.ops.quantized.linear_relu(x, packed, scale, zero_point).int_repr().numpy()
        assert_same(layer, actual, layer.after_relu(expected), exact)


def agrees_with_fbgemm(run: Any, packed: Any, layer: Layer, attributes: dict[str, Any]) -> bool:
    """Whether PyTorch's engine agrees with its fbgemm up to ties; oneDNN's ReLU does not on some processors, for
    outputs with a zero point."""
    x, w, bias, scale, zero_point = layer.tensors()
    actual = run(x, packed, scale, zero_point).int_repr().int()
    before, torch.backends.quantized.engine = torch.backends.quantized.engine, "fbgemm"
    try:
        other = torch.ops.quantized.conv2d_prepack(w, bias, *attributes.values())
        expected = run(x, other, scale, zero_point).int_repr().int()
    finally:
        torch.backends.quantized.engine = before
    return int((actual - expected).abs().max()) <= 1


CONVOLUTIONS = {
    "plain": ((2, 3, 11, 7), (5, 3, 3, 3), {"stride": [1, 1], "padding": [1, 1]}),
    "pointwise": ((2, 17, 9, 9), (33, 17, 1, 1), {}),
    "depthwise": ((2, 16, 13, 9), (16, 1, 3, 3), {"padding": [1, 1], "groups": 16}),
    "groups": ((2, 12, 9, 8), (18, 4, 3, 2), {"stride": [2, 1], "padding": [1, 0], "groups": 3}),
    "dilated": ((2, 5, 15, 13), (7, 5, 3, 3), {"padding": [2, 1], "dilation": [2, 3], "stride": [1, 2]}),
}


@pytest.mark.parametrize("bias_on_step", [True, False], ids=["whole bias", "any bias"])
@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize("zeros", ZEROS)
@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_conv2d(engine: str, kind: str, zeros: tuple[int, int], per_channel: bool, bias_on_step: bool) -> None:
    shape, kernel, window = CONVOLUTIONS[kind]
    attributes = {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1], "groups": 1, **window}
    layer = Layer(shape, kernel, zeros, per_channel, bias_on_step)
    x, w, bias, scale, zero_point = layer.tensors()
    packed = torch.ops.quantized.conv2d_prepack(w, bias, *attributes.values())
    expected = conv(
        layer.x, layer.x_params, layer.w, layer.w_params, layer.out_params, layer.bias_integers,
        strides=attributes["stride"], pads=2 * attributes["padding"], dilations=attributes["dilation"],
        group=attributes["groups"],
    )  # fmt: skip
    exact = bias_on_step and engine == "fbgemm"
    assert_same(layer, torch.ops.quantized.conv2d(x, packed, scale, zero_point).int_repr().numpy(), expected, exact)
    if zeros[1] < 200:
        with_relu = torch.ops.quantized.conv2d_relu
        if engine != "fbgemm" and not agrees_with_fbgemm(with_relu, packed, layer, attributes):
            pytest.skip(f"PyTorch's {engine} convolution with ReLU differs from its fbgemm's on this processor")
        actual = with_relu(x, packed, scale, zero_point).int_repr().numpy()
        assert_same(layer, actual, layer.after_relu(expected), exact)


# The target fbgemm against a model that PyTorch quantized with its default configuration. The networks have no biases:
# PyTorch adds them in float, ONNX in int32, and random networks amplify the difference.


@pytest.fixture(scope="module")
def quantized_by_both(tmp_path_factory: pytest.TempPathFactory) -> tuple[octavo.QuantizationResult, Any]:
    module = converting.seeded(converting.Chain, bias=False)
    batches = [converting.images(seed) for seed in range(6)]
    model = converting.in_onnx(module, batches[0], tmp_path_factory.mktemp("float"))
    proto = ir.to_proto(model)
    samples = [{"x": batch.numpy()} for batch in batches]
    result = octavo.quantize(proto, samples, recipe=Recipe("fbgemm"), verify=False, threads=1)
    return result, converting.by_fx(module, batches)


def test_the_target_chooses_the_parameters_of_pytorch(quantized_by_both: tuple[octavo.QuantizationResult, Any]) -> None:
    result, module = quantized_by_both
    layers = {layer.weights[0].tensor.removesuffix(".weight"): layer for layer in result.layers if layer.weights}
    assert set(layers) == {"conv1", "conv2", "conv3", "fc"}
    first = layers["conv1"].inputs[0]
    assert (first.scale, first.zero_point) == (
        [module.conv1_input_scale_0.item()],
        [module.conv1_input_zero_point_0.item()],
    )
    for path, layer in layers.items():
        reference = getattr(module, path)
        # Float convolutions of the two frameworks differ in the last bits, and so do the observed ranges.
        assert layer.output.scale == pytest.approx([reference.scale], rel=1e-6)
        assert layer.output.zero_point == [reference.zero_point]
        scales = reference.weight().q_per_channel_scales().numpy().astype(np.float32)
        assert np.array_equal(np.asarray(layer.weights[0].scale, np.float32), scales)
        stored = result.model.graph.initializers[f"{path}.weight_quantized"].const_value.numpy()
        assert np.array_equal(stored, reference.weight().int_repr().numpy())


def test_the_target_computes_the_integers_of_pytorch(quantized_by_both: tuple[octavo.QuantizationResult, Any]) -> None:
    result, module = quantized_by_both
    samples = [(converting.images(seed, (64, *converting.SHAPE[1:])),) for seed in range(100, 110)]
    agreement = verify(result.model, module, samples)
    assert agreement.compared == 10 * 64 * 5
    assert agreement.worst <= 1.001
    assert agreement.equal >= 0.999


@pytest.mark.parametrize("engine_name", converting.ENGINES)
def test_a_converted_model_computes_the_integers_of_pytorch(engine_name: str) -> None:
    module = converting.by_hand([converting.images()], engine_name, bias=False)
    model = from_quantized(module, (converting.images(),))
    agreement = verify(model, module, [(converting.images(seed, (64, *converting.SHAPE[1:])),) for seed in range(9)])
    assert agreement.holds
    assert agreement.equal >= 0.999
