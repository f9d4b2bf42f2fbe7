"""Export to ONNX: names, shapes and values, and the errors for modules that cannot be exported."""

from __future__ import annotations

import copy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch
from tests.helpers.torch_nets import Branching, Encoder, Faulty, Residual, images, separable, settled, tokens

import octavo
from octavo.engines.onnxruntime import Session
from octavo.errors import DataError, DependencyError, ModelError, OptionError
from octavo.graph import input_specs, output_specs
from octavo.torch import is_module, to_onnx

nn, Dim = torch.nn, torch.export.Dim

NETS = {
    "residual": (Residual, images),
    "separable": (separable, images),
    "encoder": (Encoder, tokens),
}


@pytest.fixture(scope="module")
def exported() -> dict[str, tuple[Any, ir.Model]]:
    """Each network in training mode, and its model from an example of one sample."""
    models = {}
    for seed, (name, (make, data)) in enumerate(NETS.items()):
        torch.manual_seed(seed)
        module = settled(make()).train()
        if name == "separable":
            module[0].eval()
        models[name] = (module, to_onnx(module, data(1)))
    return models


class Sum(nn.Module):
    """A linear layer of the sum of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 2)

    def forward(self, a, b):
        return self.linear(a + b)


def ran(model: ir.Model, **inputs: Any) -> dict[str, np.ndarray]:
    session = Session(model, threads=1)
    return session.run({name: np.asarray(value) for name, value in inputs.items()})


def nodes(model: ir.Model, *kinds: str) -> list[str]:
    return [node.name or "" for node in model.graph if node.op_type in kinds]


class TestNames:
    def test_a_residual_network(self, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        model = exported["residual"][1]
        assert nodes(model, "Conv", "Gemm", "Add", "Relu") == [
            "conv1",
            "relu",
            "layer1.0.conv1",
            "layer1.0.relu",
            "layer1.0.conv2",
            "layer1.0.add",
            "layer1.0.relu_1",
            "layer1.1.conv1",
            "layer1.1.relu",
            "layer1.1.conv2",
            "layer1.1.downsample.0",
            "layer1.1.add",
            "layer1.1.relu_1",
            "fc",
        ]
        assert {"conv1.weight", "conv1.bias", "layer1.1.downsample.0.weight", "fc.bias"} <= set(
            model.graph.initializers
        )

    def test_depthwise_separable_convolutions(self, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        assert nodes(exported["separable"][1], "Conv", "Gemm", "Clip") == [
            "0.0",
            "0.1.clip",
            "0.2",
            "0.4.clip",
            "0.5",
            "1.2",
        ]

    def test_a_transformer_block(self, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        model = exported["encoder"][1]
        assert nodes(model, "Gather", "MatMul", "Gemm", "Gelu") == [
            "embed",
            "attn.query",
            "attn.key",
            "attn.value",
            "attn.matmul",
            "attn.matmul_1",
            "attn.out",
            "mlp.0",
            "mlp.1.gelu",
            "mlp.2",
            "gather",
            "head",
        ]
        assert {"embed.weight", "attn.query.weight", "mlp.2.bias"} <= set(model.graph.initializers)

    def test_inputs_outputs_and_dimensions(self, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        model = exported["encoder"][1]
        assert [(spec.name, spec.shape) for spec in input_specs(model)] == [("ids", ("batch", 6))]
        assert [(spec.name, spec.shape) for spec in output_specs(model)] == [
            ("logits", ("batch", 3)),
            ("hidden", ("batch", 6, 16)),
        ]

    @pytest.mark.parametrize("name", NETS)
    def test_names_are_unique_and_no_metadata_of_the_exporter_is_left(
        self, name: str, exported: dict[str, tuple[Any, ir.Model]]
    ) -> None:
        graph = exported[name][1].graph
        names = [node.name for node in graph]
        values = [value.name for node in graph for value in node.outputs]
        sources = [*(value.name for value in graph.inputs), *graph.initializers]
        assert len(set(names)) == len(names)
        assert len({*values, *sources}) == len(values) + len(sources)
        assert not any(node.metadata_props for node in graph)

    def test_a_module_that_is_called_twice(self) -> None:
        class Twice(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.linear = nn.Linear(4, 4)

            def forward(self, x, *more):
                return self.linear(x), self.linear(self.linear(more[0])), None, x

        model = to_onnx(Twice(), (torch.ones(2, 4), torch.ones(2, 4)))
        assert nodes(model, "Gemm") == ["linear", "linear_1", "linear_2"]
        assert [spec.name for spec in input_specs(model)] == ["x", "more_0"]
        assert [spec.name for spec in output_specs(model)] == ["output_0", "output_1", "output_3"]


class TestValues:
    @pytest.mark.parametrize("count", [1, 3, 7])
    @pytest.mark.parametrize("name", NETS)
    def test_outputs_equal_the_module_at_any_batch_size(
        self, name: str, count: int, exported: dict[str, tuple[Any, ir.Model]]
    ) -> None:
        module, model = exported[name]
        x = NETS[name][1](count)
        with torch.no_grad():
            expected = copy.deepcopy(module).eval()(x)
        expected = expected if isinstance(expected, dict) else {"output": expected}
        outputs = ran(model, **{input_specs(model)[0].name: x})
        assert outputs.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(outputs[key], value.numpy(), atol=1e-5)

    def test_the_model_keeps_its_weights_when_the_module_trains_on(self) -> None:
        module, x = nn.Linear(4, 2), torch.ones(2, 4)
        model = to_onnx(module, x)
        before = ran(model, input=x)["output"]
        module.weight.data.zero_()
        assert np.array_equal(ran(model, input=x)["output"], before)

    def test_exports_are_reproducible(self) -> None:
        module = settled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(144, 2)))
        first, second = (ir.to_proto(to_onnx(module, images(1))).SerializeToString() for _ in range(2))
        assert first == second


class TestModuleState:
    def test_training_flags_of_submodules_are_kept(self, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        module = exported["separable"][0]
        assert module.training
        assert module[1].training
        assert not any(part.training for part in module[0].modules())

    def test_buffers_are_kept_and_hooks_removed(self) -> None:
        module = settled(Residual()).train()
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        to_onnx(module, {"image": images(2).numpy()})
        assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
        assert not any(part._forward_pre_hooks for part in module.modules())

    def test_nothing_is_printed(self, capfd: pytest.CaptureFixture[str]) -> None:
        class Loud(nn.Linear):
            def forward(self, x):
                print("forward")
                return super().forward(x)

        to_onnx(Loud(2, 2), torch.ones(1, 2))
        assert capfd.readouterr() == ("", "")

    def test_a_module_inside_data_parallel(self) -> None:
        assert nodes(to_onnx(nn.DataParallel(nn.Sequential(nn.Linear(2, 2))), torch.ones(1, 2)), "Gemm") == ["0"]


class TestShapes:
    def test_a_fixed_batch_size_is_kept(self) -> None:
        class Fixed(nn.Linear):
            def forward(self, x):
                return super().forward(x.reshape(1, 4))

        assert input_specs(to_onnx(Fixed(4, 2), torch.ones(1, 4)))[0].shape == (1, 4)

    def test_inputs_with_another_size_on_axis_0_are_static(self) -> None:
        class Scaled(nn.Module):
            def forward(self, x, table):
                return x @ table

        first, second = input_specs(to_onnx(Scaled(), (torch.ones(1, 5), torch.ones(5, 2))))
        assert (first.shape, second.shape) == (("batch", 5), (5, 2))

    def test_dynamic_shapes_of_the_caller(self) -> None:
        shapes = {"ids": {0: Dim("rows"), 1: Dim("sequence", max=64)}}
        model = to_onnx(Encoder(), {"ids": tokens(3)}, shapes)
        assert input_specs(model)[0].shape == ("rows", "sequence")
        assert ran(model, ids=torch.zeros(2, 9, dtype=torch.int64))["hidden"].shape == (2, 9, 16)

    def test_dynamic_shapes_of_an_exported_program(self) -> None:
        program = torch.export.export(Encoder().eval(), (tokens(3),), dynamic_shapes=({1: Dim("sequence", max=64)},))
        model = to_onnx(program)
        assert input_specs(model)[0].shape == (3, "ids_dim_1")
        assert nodes(model, "Gemm") == ["head"]


class TestErrors:
    def test_the_smallest_failing_submodule_is_named(self) -> None:
        with pytest.raises(
            ModelError, match=r"^module 'stages\.1\.1' \(Branching\) cannot be exported: .*; rewrite"
        ) as e:
            to_onnx(Faulty(), torch.ones(1, 4))
        assert "\n" not in str(e.value)

    def test_a_module_that_fails_on_its_inputs_is_refused(self) -> None:
        with pytest.raises(ModelError, match=r"fails on the example inputs: RuntimeError: .*; give inputs"):
            to_onnx(nn.Linear(4, 2), torch.ones(1, 5))

    def test_a_failing_root_module_is_named(self) -> None:
        with pytest.raises(ModelError, match=r"^the module \(Branching\) cannot be exported"):
            to_onnx(Branching(), torch.ones(2, 2))

    @pytest.mark.parametrize("example", [(), (1, 2, 3), {"y": 1}])
    def test_inputs_that_forward_does_not_take_are_refused(self, example: Any) -> None:
        with pytest.raises(ModelError, match="do not fit the forward of Linear"):
            to_onnx(nn.Linear(4, 2), example)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
    def test_other_float_dtypes_are_refused(self, dtype: Any) -> None:
        with pytest.raises(ModelError, match=r"'weight' of the module is \w+ but float32 is needed"):
            to_onnx(nn.Linear(4, 2).to(dtype), torch.ones(1, 4, dtype=dtype))

    def test_parameters_on_the_meta_device_are_refused(self) -> None:
        with pytest.raises(ModelError, match="device meta"):
            to_onnx(nn.Linear(4, 2, device="meta"), torch.ones(1, 4))

    def test_a_program_in_training_mode(self) -> None:
        program = torch.export.export(nn.Sequential(nn.Linear(4, 4), nn.Dropout()).train(), (torch.ones(2, 4),))
        with pytest.raises(ModelError, match="in training mode"):
            to_onnx(program)
        with pytest.raises(OptionError, match="leave out example_inputs"):
            to_onnx(program, torch.ones(2, 4))

    def test_an_object_that_is_not_a_module_is_refused(self) -> None:
        with pytest.raises(ModelError, match="a list is not a PyTorch module"):
            to_onnx([], torch.ones(1))

    def test_without_pytorch_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "torch", None)
        assert not is_module(object())
        with pytest.raises(DependencyError, match=r"octavo\[torch\]"):
            octavo.torch.to_onnx(torch.nn.Identity())


class TestQuantize:
    """Quantization of modules, end to end."""

    def test_from_a_loader_of_inputs_and_labels(self) -> None:
        module = settled(Residual())
        data = torch.utils.data.TensorDataset(images(21), torch.arange(21) % 4)
        loaders = [torch.utils.data.DataLoader(data, batch_size=size) for size in (7, 3)]
        result = octavo.quantize(module, loaders[0], target="octavo", evaluate=loaders[1], verify=False)
        names = [layer.name for layer in result.layers if layer.op in ("Conv", "Gemm")]
        assert names == [name for name, part in module.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
        assert result.calibration_samples == 21
        assert result.metric is not None
        assert result.metric.name == "top1"
        assert len(result.sha256["model"]) == 64
        for count in (1, 3, 7):
            assert ran(result.model, image=images(count))["output"].shape == (count, 4)

    @pytest.mark.parametrize("name", ["separable", "encoder"])
    def test_layers_are_named_after_modules(self, name: str, exported: dict[str, tuple[Any, ir.Model]]) -> None:
        module, model = exported[name]
        samples = [NETS[name][1](count).numpy() for count in (1, 3, 7)]
        result = octavo.quantize(model, samples, target="octavo", verify=False)
        kinds = nn.Conv2d | nn.Linear | nn.Embedding
        expected = {path for path, part in module.named_modules() if isinstance(part, kinds)}
        assert expected <= {layer.name for layer in result.layers}
        assert result.calibration_samples == 11

    def test_example_inputs_are_required_for_iterators(self) -> None:
        with pytest.raises(ModelError, match="give example_inputs"):
            octavo.quantize(nn.Linear(4, 2), iter([np.ones((1, 4), np.float32)]))

    @pytest.mark.parametrize(
        "item",
        [
            ({"b": torch.linspace(-1, 1, 4), "a": torch.linspace(0, 1, 4)}, 1),
            ((torch.linspace(0, 1, 4), torch.linspace(-1, 1, 4)), 1),
            {"a": torch.linspace(0, 1, 4), "b": torch.linspace(-1, 1, 4), "labels": 1},
            (torch.linspace(0, 1, 4), torch.linspace(-1, 1, 4)),
        ],
        ids=["dict and label", "tuple and label", "dict", "tuple"],
    )
    def test_loaders_with_dict_and_tuple_items(self, item: Any) -> None:
        loader = torch.utils.data.DataLoader([item] * 6, batch_size=2)
        result = octavo.quantize(Sum(), loader, target="octavo", verify=False)
        assert [spec.name for spec in input_specs(result.model)] == ["a", "b"]
        assert result.calibration_samples == 6

    @pytest.mark.parametrize("kind", ["npz", "npy", "array", "dict"])
    def test_files_and_arrays(self, kind: str, tmp_path: Path) -> None:
        rows, path = np.random.default_rng(0).normal(size=(5, 4)), tmp_path / f"calib.{kind}"
        if kind == "npz":
            np.savez(path, input=rows, labels=np.zeros(5, np.int64))
        elif kind == "npy":
            np.save(path, rows)
        data = {"array": rows, "dict": {"input": rows}}.get(kind, path)
        assert octavo.quantize(nn.Linear(4, 2), data, target="octavo", verify=False).calibration_samples == 5

    def test_a_missing_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="does not exist"):
            octavo.quantize(nn.Linear(4, 2), tmp_path / "none.npz")
