"""The whole pipeline against PyTorch's observers, the integer reference, and another engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from tests.helpers.models import PATTERNS, Arrays, build, chain, feeds, node, random, run
from tests.helpers.real_cases import real_case
from tests.helpers.reference_run import Reference

import octavo
from octavo.engines.onnxruntime import would_saturate
from octavo.graph import prepare
from octavo.pipeline.layers import TensorReport
from octavo.pipeline.result import QuantizationResult
from octavo.targets import target, target_names
from octavo.targets.detect import this_machine

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


def arrays(name: str) -> Arrays:
    with np.load(DIGITS / name) as file:
        return {key: file[key] for key in file.files}


def session(model: onnx.ModelProto, optimize: bool = True) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def outputs(model: onnx.ModelProto, inputs: Arrays, optimize: bool = True) -> Arrays:
    engine = session(model, optimize)
    names = [value.name for value in engine.get_outputs()]
    return dict(zip(names, engine.run(names, inputs), strict=True))


def sqnr(expected: np.ndarray, actual: np.ndarray) -> float:
    """10 log10(sum x^2 / sum (x - y)^2)."""
    x, y = expected.astype(np.float64), actual.astype(np.float64)
    noise = ((x - y) ** 2).sum()
    return float(10 * np.log10((x**2).sum() / noise)) if noise else np.inf


# PyTorch: the parameters of its default fbgemm qconfig.


def made_by_layers(result: QuantizationResult) -> Iterator[TensorReport]:
    """Activations with parameters of their own; outputs of movers share those of their inputs."""
    movers = {layer.output.tensor for layer in result.layers if layer.op in target("fbgemm").move and layer.output}
    owners: set[str] = set()
    for layer in result.layers:
        for report in [*layer.inputs, *([layer.output] if layer.output else [])]:
            if report.tensor not in movers | owners:
                owners.add(report.tensor)
                yield report


def captured(model: onnx.ModelProto, names: list[str], batches: list[Arrays]) -> Iterator[Arrays]:
    """The float tensors of each batch, including the model's inputs."""
    proto = ir.to_proto(prepare(ir.from_proto(model)))
    inner = [name for name in names if name not in batches[0]]
    del proto.graph.output[:]
    proto.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inner)
    engine = session(proto)
    for batch in batches:
        yield {**batch, **dict(zip(inner, engine.run(inner, batch), strict=True))}


def weights_of(model: onnx.ModelProto) -> Arrays:
    proto = ir.to_proto(prepare(ir.from_proto(model)))
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}


def assert_pytorch_chooses_the_same(model: onnx.ModelProto, batches: list[Arrays]) -> None:
    torch = pytest.importorskip("torch")
    qconfig = pytest.importorskip("torch.ao.quantization").get_default_qconfig("fbgemm")
    result = octavo.quantize(model, batches, "fbgemm", verify=False, threads=1)
    activations = list(made_by_layers(result))
    observers = {report.tensor: qconfig.activation() for report in activations}
    for tensors in captured(model, list(observers), batches):
        for name, observer in observers.items():
            observer(torch.from_numpy(tensors[name]))
    for report in activations:
        scale, zero_point = observers[report.tensor].calculate_qparams()
        assert (report.scale, report.zero_point) == (scale.tolist(), zero_point.tolist()), report.tensor
        assert report.grid == "uint8[0,127]"
    floats, compared = weights_of(model), 0
    for layer in result.layers:
        for report in layer.weights:
            if report.axis is None or report.grid != "int8":
                continue
            observer = qconfig.weight()
            observer(torch.from_numpy(np.ascontiguousarray(np.moveaxis(floats[report.tensor], report.axis, 0))))
            scale, zero_point = observer.calculate_qparams()
            assert report.scale == scale.tolist(), report.tensor
            assert report.zero_point == zero_point.tolist(), report.tensor
            compared += 1
    assert activations
    assert compared


CHAINS = {
    "residual": ["Conv", "Relu", "Same", "Skip", "Relu", "Same"],
    "depthwise": ["Same", "Relu", "Deep", "Relu", "Conv", "Back"],
    "pools": ["Conv", "Pool", "Same", "Mean", "Turn", "Conv"],
    "normalized": ["Bare", "Norm", "Relu", "Same", "Norm"],
    "transposed": ["Wide", "Relu", "Wide", "Sigmoid", "Conv"],
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("name", [*CHAINS, "mlp", "pooling", "concat", "embedding"])
def test_pytorchs_parameters_on_random_models(name: str, count: int) -> None:
    model = chain(CHAINS[name]) if name in CHAINS else PATTERNS[name]()
    batches = [feeds(model, seed, batch=40) for seed in range(count)]
    for batch in batches:
        batch.update({key: array * np.float32(2) for key, array in batch.items() if array.dtype.kind == "f"})
    assert_pytorch_chooses_the_same(model, batches)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_pytorchs_parameters_on_the_digits() -> None:
    parts = np.split(arrays("calib.npz")["image"], 4)
    assert_pytorch_chooses_the_same(onnx.load(DIGITS / "digits.onnx"), [{"image": part} for part in parts])


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["resnet8_cifar10", "dscnn_kws"])
def test_pytorchs_parameters_on_a_real_case(name: str) -> None:
    case = real_case(name)
    key, samples = next(iter(case.calibration.items()))
    assert_pytorch_chooses_the_same(onnx.load(case.model), [{key: part} for part in np.split(samples[:96], 3)])


# NumPy: the integers themselves.

NETS = ("digits", "resnet8_cifar10")
INTEGER_TARGETS = ("arm-neon", "octavo", "x86-vnni")


@pytest.fixture(scope="module", params=[(net, to) for net in NETS for to in INTEGER_TARGETS], ids="-".join)
def net(request: pytest.FixtureRequest) -> tuple[str, QuantizationResult, Arrays]:
    """A trained network quantized for a target, and a few samples not used for calibration."""
    name, to = request.param
    if name == "digits":
        model: Any = DIGITS / "digits.onnx"
        calibration, samples = arrays("calib.npz"), {"image": arrays("eval.npz")["image"][:16]}
    else:
        case = real_case(name)
        model, calibration = case.model, case.calibration
        samples = {key: array[:8] for key, array in case.evaluation.items()}
    return to, octavo.quantize(model, calibration, to, verify=False, threads=1), samples


def with_integers(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """The model with every QuantizeLinear's output added to its outputs, and their names."""
    extended, types = onnx.ModelProto(), {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    extended.CopyFrom(model)
    dtypes = {n.output[0]: types[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    extended.graph.output.extend(helper.make_tensor_value_info(name, dtype, None) for name, dtype in dtypes.items())
    return extended, list(dtypes)


def kernels_are_exact() -> bool:
    """AVX2 without VNNI adds pairs of products in int16, which only 7-bit weights cannot overflow."""
    return this_machine() != "x86-avx2"


@pytest.mark.parametrize("kernels", [True, False], ids=["integer kernels", "float emulation"])
def test_each_layer_equals_the_integers_of_the_reference(
    net: tuple[str, QuantizationResult, Arrays], kernels: bool
) -> None:
    """Computed from the engine's integers at a layer's inputs, the reference differs by at most one step."""
    to, result, samples = net
    if kernels and not kernels_are_exact():
        pytest.skip("the integer kernels of this processor saturate 16 bits")
    model, names = with_integers(ir.to_proto(result.model))
    engine = outputs(model, samples, optimize=kernels)
    reference = Reference(model, samples, {name: engine[name] for name in names})
    differing: dict[str, float] = {}
    for name in names:
        steps = np.abs(reference.integers(name).astype(int) - engine[name].astype(int))
        assert steps.max() <= 1, name
        if not reference.is_behind_floats(name):
            operator = reference.operator(name)
            differing[operator] = max(differing.get(operator, 0.0), np.count_nonzero(steps) / steps.size)
    assert max(differing.values()) < 0.01
    if kernels and to != "arm-neon":
        # Engines add rescaled tensors in float, in a different order; products of u8 by s8 are exact.
        assert {"Conv"} <= set(differing)
        assert all(share == 0 for operator, share in differing.items() if operator != "Add")


def test_whole_networks_equal_the_integers_of_the_reference(net: tuple[str, QuantizationResult, Arrays]) -> None:
    """From input to output: each tensor within one step, and the float outputs equal up to rounding.

    Float layers have no fixed summation order, so their outputs are taken from the engine.
    """
    to, result, samples = net
    if not kernels_are_exact():
        pytest.skip("the integer kernels of this processor saturate 16 bits")
    if to == "arm-neon" and this_machine() != "arm-neon":
        pytest.skip("ONNX Runtime computes s8 by s8 in float on this processor")
    model, names = with_integers(ir.to_proto(result.model))
    engine = outputs(model, samples)
    floats = [name for name in names if Reference(model, samples).is_behind_floats(name)]
    reference = Reference(model, samples, {name: engine[name] for name in floats})
    assert len(floats) <= 1
    for name in names:
        assert np.abs(reference.output(name).astype(int) - engine[name].astype(int)).max() <= 1, name
    for value in result.model.graph.outputs:
        np.testing.assert_allclose(reference.output(str(value.name)), engine[str(value.name)], rtol=1e-5, atol=1e-6)


def test_every_planned_layer_runs_on_integers(net: tuple[str, QuantizationResult, Arrays]) -> None:
    """The reference meets float layers exactly where the result lists them."""
    _, result, samples = net
    reference = Reference(ir.to_proto(result.model), samples)
    for value in result.model.graph.outputs:
        reference.output(str(value.name))
    layers = {layer.name for layer in result.layers} | {name for layer in result.layers for name in layer.fused}
    assert reference.integer_nodes == layers
    assert reference.float_nodes == {left.name for left in result.left_float}


# OpenVINO: another engine.


def in_openvino(model: onnx.ModelProto, inputs: Arrays) -> Arrays:
    openvino = pytest.importorskip("openvino")
    core = openvino.Core()
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", options)
    results = compiled(inputs)
    return {output.get_any_name(): results[output] for output in compiled.outputs}


OPENVINO = [name for name in target_names() if "openvino" in target(name).engines]


@pytest.mark.parametrize("to", OPENVINO)
def test_openvino_predicts_the_same_digits(to: str) -> None:
    """Logits differ by at most 3/255 of their range, 0.5/255 on average; 99.5% of predictions are equal."""
    result = octavo.quantize(DIGITS / "digits.onnx", arrays("calib.npz"), to, verify=False, threads=1)
    model, samples = ir.to_proto(result.model), {"image": arrays("eval.npz")["image"]}
    expected, actual = run(model, samples)["logits"], in_openvino(model, samples)["logits"]
    step = np.ptp(expected) / 255
    error = np.abs(actual - expected)
    assert error.max() <= 3 * step
    assert error.mean() <= step / 2
    assert (actual.argmax(1) == expected.argmax(1)).mean() >= 0.995


def transformer() -> onnx.ModelProto:
    """An encoder block: embedding, attention with two heads, GELU, residual adds and normalizations."""

    def linear(data: str, name: str) -> list[onnx.NodeProto]:
        return [node("MatMul", [data, f"w_{name}"], f"m_{name}"), node("Add", [f"m_{name}", f"b_{name}"], name)]

    def heads(data: str, perm: list[int]) -> list[onnx.NodeProto]:
        split = node("Reshape", [data, "split"], f"r_{data}")
        return [split, node("Transpose", [f"r_{data}"], f"t_{data}", perm=perm)]

    nodes = [
        node("Gather", ["table", "ids"], "e"),
        *(layer for name in "qkv" for layer in linear("e", name)),
        *heads("q", [0, 2, 1, 3]),
        *heads("k", [0, 2, 3, 1]),
        *heads("v", [0, 2, 1, 3]),
        node("MatMul", ["t_q", "t_k"], "scores"),
        node("Div", ["scores", "root"], "scaled"),
        node("Softmax", ["scaled"], "p", axis=-1),
        node("MatMul", ["p", "t_v"], "z"),
        node("Transpose", ["z"], "t_z", perm=[0, 2, 1, 3]),
        node("Reshape", ["t_z", "merge"], "c"),
        *linear("c", "o"),
        node("Add", ["o", "e"], "s1"),
        node("LayerNormalization", ["s1", "scale", "shift"], "n1"),
        *linear("n1", "up"),
        node("Div", ["up", "two"], "g1"),
        node("Erf", ["g1"], "g2"),
        node("Add", ["g2", "one"], "g3"),
        node("Mul", ["up", "g3"], "g"),
        *linear("g", "down"),
        node("Add", ["down", "n1"], "s2"),
        node("LayerNormalization", ["s2", "scale", "shift"], "y"),
    ]
    sizes = {"q": (32, 32), "k": (32, 32), "v": (32, 32), "o": (32, 32), "up": (32, 64), "down": (64, 32)}
    weights = {f"w_{name}": random(*size, seed=i) for i, (name, size) in enumerate(sizes.items())}
    weights |= {f"b_{name}": random(size[1], seed=i) / 4 for i, (name, size) in enumerate(sizes.items())}
    weights |= {"table": random(50, 32, spread=6.0), "scale": 1 + random(32) / 4, "shift": random(32) / 4}
    constants = {"root": 4.0, "two": np.sqrt(2.0), "one": 1.0}
    weights |= {name: np.asarray(value, np.float32) for name, value in constants.items()}
    weights |= {"split": np.array([0, 0, 2, 16]), "merge": np.array([0, 0, 32])}
    return build(nodes, {"ids": ["N", "L"]}, {"y": ["N", "L", 32]}, weights, input_types={"ids": TensorProto.INT64})


@pytest.mark.parametrize("to", OPENVINO)
def test_openvino_runs_a_transformer(to: str) -> None:
    """Outputs differ by at most 5/255 of their range, 0.75/255 on average, with the same error to the float model."""
    model, rng = transformer(), np.random.default_rng(0)
    samples = [{"ids": rng.integers(0, 50, (4, length))} for length in range(4, 36, 4)]
    result = octavo.quantize(model, samples, to, verify=False, threads=1)
    assert sum(layer.op == "MatMul" for layer in result.layers) == 8
    if would_saturate(result.model):
        pytest.skip("integer kernels for weights of 8 bits saturate on this processor")
    quantized = ir.to_proto(result.model)
    for length in (5, 40):
        inputs = {"ids": rng.integers(0, 50, (4, length))}
        expected, actual = run(quantized, inputs)["y"], in_openvino(quantized, inputs)["y"]
        error, step = np.abs(actual - expected), np.ptp(expected) / 255
        assert error.max() <= 5 * step
        assert error.mean() <= 0.75 * step
        exact = run(model, inputs)["y"]
        assert sqnr(exact, expected) > 30
        assert sqnr(exact, actual) > sqnr(exact, expected) - 1


# Every pattern through the pipeline; tests/graph compares the placed models of each target with the same patterns.


@pytest.mark.parametrize("to", ["auto", "fbgemm", "nvidia-tensorrt"])
@pytest.mark.parametrize("name", PATTERNS)
def test_every_pattern_goes_through_the_whole_pipeline(name: str, to: str) -> None:
    model = PATTERNS[name]()
    if name == "if_subgraph":
        model.graph.input[1].type.tensor_type.shape.dim.add().dim_value = 1  # a sample needs an axis
    samples = [feeds(model, seed) for seed in range(8)]
    result = octavo.quantize(model, samples, to, verify=False, threads=1)
    quantized = ir.to_proto(result.model)
    onnx.checker.check_model(quantized, full_check=True)
    assert result.layers
    expected, actual = run(model, samples[0]), outputs(quantized, samples[0])
    assert list(actual) == list(expected)
    for key, values in expected.items():
        assert (actual[key].dtype, actual[key].shape) == (values.dtype, values.shape)
        assert np.isfinite(actual[key]).all()
