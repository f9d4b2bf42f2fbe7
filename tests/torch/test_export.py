"""PyTorch modules in: what they compute, how their layers are called, and which of them cannot be exported."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

import octavo
from octavo.engines.onnxruntime import Session
from octavo.errors import DependencyError, ModelError, OptionError
from octavo.torch import finetune, prepare, to_onnx

torch = pytest.importorskip("torch")

from tests.torch.modules import Attention, Holder, Residual, trained  # noqa: E402


@pytest.fixture(scope="module")
def residual() -> tuple[Any, ir.Model]:
    module = trained(Residual())
    module.layer1[1].eval()
    return module, to_onnx(module, torch.randn(1, 3, 12, 12))


@pytest.fixture(scope="module")
def result(residual: tuple[Any, ir.Model]) -> octavo.QuantizationResult:
    return octavo.quantize(residual[0], loader(), "octavo", evaluate=loader(1), verify=False)


def loader(seed: int = 0, count: int = 48) -> Any:
    """Images with labels, as a DataLoader gives them."""
    random = torch.Generator().manual_seed(seed)
    images = torch.randn(count, 3, 12, 12, generator=random)
    return torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(images, torch.randint(0, 10, (count,), generator=random)), batch_size=16
    )


def evaluated(module: Any, *inputs: Any) -> np.ndarray:
    with torch.no_grad():
        found: np.ndarray = module.eval()(*inputs).numpy()
    return found


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_the_model_computes_what_the_module_does(residual: tuple[Any, ir.Model], batch: int) -> None:
    module, model = residual
    images = torch.randn(batch, 3, 12, 12)
    training = {name: each.training for name, each in module.named_modules()}
    given = Session(model, threads=1).run({"image": images.numpy()})
    np.testing.assert_allclose(given["output"], evaluated(module, images), atol=1e-5)
    for name, each in module.named_modules():
        each.training = training[name]


def test_the_module_is_left_as_it_was(residual: tuple[Any, ir.Model]) -> None:
    module, model = residual
    assert module.training
    assert not module.layer1[1].training
    assert module.layer1[0].bn1.training
    weight = model.graph.initializers["fc.weight"].const_value.numpy()
    before = weight.copy()
    with torch.no_grad():
        module.fc.weight.mul_(2.0)
        module.fc.weight.div_(2.0)
        kept = module.fc.weight.clone()
        module.fc.weight.zero_()
    np.testing.assert_array_equal(weight, before)
    with torch.no_grad():
        module.fc.weight.copy_(kept)


def test_layers_are_called_as_the_modules(result: octavo.QuantizationResult) -> None:
    blocks = [f"layer1.{i}.{name}" for i in (0, 1) for name in ("conv1", "conv2", "add")]
    assert [layer.name for layer in result.layers] == ["stem", *blocks, "pool", "reshape", "fc"]
    assert [layer.output.tensor for layer in result.layers if layer.name == "stem" and layer.output] == ["stem"]


def test_a_loader_with_labels_calibrates_and_evaluates(result: octavo.QuantizationResult) -> None:
    assert result.calibration_samples == 48
    assert result.metric is not None
    assert (result.metric.name, result.metric.samples) == ("top1", 48)
    assert set(result.sha256) >= {"module", "model"}


def test_a_module_is_prepared_and_finetuned_on_its_loader(
    residual: tuple[Any, ir.Model], result: octavo.QuantizationResult
) -> None:
    module = residual[0]
    network = prepare(module, "octavo", result)
    finetune(network, loader(), module.eval(), epochs=1)
    module.train()
    module.layer1[1].eval()
    assert network(torch.randn(5, 3, 12, 12)).shape == (5, 10)
    other = trained(Residual(), seed=5)
    with pytest.raises(OptionError, match="is not what the result was made from"):
        prepare(other, "octavo", result)


def test_layers_of_a_transformer_and_inputs_by_name() -> None:
    module = Attention()
    example = {"x": torch.randn(2, 5, 16), "mask": torch.ones(2, 5)}
    model = to_onnx(module, example)
    assert [value.name for value in model.graph.inputs] == ["x", "mask"]
    names = {node.name: node.op_type for node in model.graph}
    assert {name: names[name] for name in ("q", "k", "v", "up", "down", "norm", "softmax")} == {
        **dict.fromkeys(("q", "k", "v", "up", "down"), "MatMul"),
        "norm": "LayerNormalization",
        "softmax": "Softmax",
    }
    assert all(value.shape[0] == ir.SymbolicDim("batch") for value in model.graph.inputs)
    given = Session(model, threads=1).run({name: each.numpy()[:1] for name, each in example.items()})
    np.testing.assert_allclose(given["output"], evaluated(module, *[each[:1] for each in example.values()]), atol=1e-5)
    data = {"x": np.random.default_rng(0).normal(size=(32, 5, 16)).astype(np.float32)}
    data["mask"] = np.ones((32, 5), np.float32)
    result = octavo.quantize(module, data, "x86-vnni", verify=False)
    assert {"q", "k", "v", "up", "down"} <= {layer.name for layer in result.layers}


def test_an_exported_program_keeps_its_own_shapes() -> None:
    length = torch.export.Dim("length", min=2, max=64)
    program = torch.export.export(
        Attention().eval(),
        (torch.randn(2, 5, 16), torch.ones(2, 5)),
        dynamic_shapes=({1: length}, {1: length}),
        strict=False,
    )
    model = to_onnx(program)
    shape = model.graph.inputs[0].shape
    assert shape is not None
    assert shape[0] == 2
    assert isinstance(shape[1], ir.SymbolicDim)
    batches = [
        {"x": np.random.default_rng(n).normal(size=(2, n, 16)).astype(np.float32), "mask": np.ones((2, n), np.float32)}
        for n in (3, 9)
    ]
    result = octavo.quantize(program, batches, "octavo", verify=False)
    assert next(iter(Session(result.model).run(batches[1]).values())).shape == (2, 9, 16)


def test_shapes_asked_for_are_kept() -> None:
    model = to_onnx(Residual(), torch.randn(2, 3, 12, 12), dynamic_shapes=({0: None},))
    shape = model.graph.inputs[0].shape
    assert shape is not None
    assert list(shape) == [2, 3, 12, 12]


@pytest.mark.parametrize(
    ("module", "example", "told"),
    [
        (Holder(), torch.randn(2, 4), r"module 'body\.1\.1' \(Branching\) cannot be exported \(Guard"),
        (Holder(), torch.randn(2, 5), r"the module fails on its example inputs \(RuntimeError: mat1 and mat2"),
        (Holder().half(), torch.randn(2, 4), r"'body\.0\.weight' of the module is torch\.float16; convert"),
        (Holder(), None, "a PyTorch module needs example_inputs to be exported"),
    ],
)
def test_what_cannot_be_exported_is_named(
    module: Any, example: Any, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelError, match=told) as caught:
        to_onnx(module, example)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_a_generator_gives_no_example_and_onnx_takes_none() -> None:
    with pytest.raises(ModelError, match="needs example_inputs"):
        octavo.quantize(Residual(), (batch for batch in loader()), "octavo")
    with pytest.raises(OptionError, match="are for PyTorch modules"):
        octavo.quantize("model.onnx", {}, example_inputs=(torch.ones(1),))


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Residual()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match=r"octavo\[torch\]"):
        to_onnx(module, None)
