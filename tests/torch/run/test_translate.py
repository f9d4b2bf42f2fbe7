"""Nodes evaluated in PyTorch against ONNX Runtime."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnx_ir as ir
import pytest

pytest.importorskip("torch")

import torch
from tests.helpers import models

import octavo
from octavo.engines.onnxruntime import Session
from octavo.errors import DependencyError
from octavo.graph import prepare
from octavo.torch import evaluate, untranslatable

UNSUPPORTED = {"pool_with_indices": "MaxPool", "resize": "Resize", "if_subgraph": "If", "local_function": "Block"}
SUPPORTED = sorted(set(models.PATTERNS) - set(UNSUPPORTED))


@pytest.mark.parametrize("pattern", SUPPORTED)
def test_float_models_equal_onnx_runtime(pattern: str) -> None:
    model, feeds = prepare(ir.from_proto(models.PATTERNS[pattern]())), models.feeds(models.PATTERNS[pattern]())
    for name, array in Session(model).run(feeds).items():
        np.testing.assert_allclose(_run(model, feeds)[name], array, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("pattern", SUPPORTED)
def test_quantized_models_differ_by_at_most_one_step(pattern: str) -> None:
    proto = models.PATTERNS[pattern]()
    feeds = models.feeds(proto)
    model = octavo.quantize(proto, calibration=feeds, target="octavo", verify=False).model
    for name, array in Session(model).run(feeds).items():
        step = max((float(v.const_value.numpy().max()) for v in _scales(model)), default=0.0)
        assert np.abs(_run(model, feeds)[name].astype(np.float64) - array).max() <= step * 1.01 + 1e-5


@pytest.mark.parametrize(
    ("op", "shapes", "attributes"),
    [
        ("MaxPool", [(2, 3, 9, 8)], {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 1, 1],
                                    "dilations": [2, 1]}),
        ("AveragePool", [(2, 3, 9, 8)], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 1]}),
        ("AveragePool", [(2, 3, 9)], {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1}),
        ("GlobalMaxPool", [(2, 3, 5, 4)], {}),
        ("LeakyRelu", [(2, 3)], {"alpha": 0.2}),
        ("Elu", [(2, 3)], {"alpha": 0.7}),
        ("PRelu", [(2, 3, 4, 4), (3, 1, 1)], {}),
        ("HardSigmoid", [(2, 3)], {"alpha": 0.3, "beta": 0.4}),
        ("HardSwish", [(2, 3)], {}),
        ("Mish", [(2, 3)], {}),
        ("Softplus", [(2, 3)], {}),
        ("Gelu", [(2, 3)], {"approximate": "tanh"}),
        ("Gelu", [(2, 3)], {}),
        ("Softmax", [(2, 3, 4)], {"axis": 1}),
        ("Pow", [(2, 3), (1,)], {}),
        ("ReduceMean", [(2, 3, 4)], {"keepdims": 0}),
        ("ReduceSum", [(2, 3, 4)], {"keepdims": 0}),
        ("Transpose", [(2, 3, 4)], {}),
        ("Flatten", [(2, 3, 4)], {"axis": -1}),
        ("Concat", [(2, 3), (2, 1)], {"axis": -1}),
        ("ConvTranspose", [(2, 4, 5, 5), (4, 2, 3, 3)],
         {"group": 2, "strides": [2, 2], "pads": [1, 0, 1, 1], "output_padding": [1, 0], "dilations": [1, 2]}),
    ],
)  # fmt: skip
def test_operators_with_their_attributes(op: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]) -> None:
    rng, rank = np.random.default_rng(0), {"ReduceMean": 0, "ReduceSum": 0, "Flatten": 2}.get(op, len(shapes[0]))
    feeds = {f"x{i}": np.abs(rng.normal(size=s)).astype(np.float32) - 0.1 * (op != "Pow") for i, s in enumerate(shapes)}
    proto = models.build([models.node(op, [*feeds], "y", **attributes)], {n: a.shape for n, a in feeds.items()},
                         {"y": [None] * rank}, opset=20)  # fmt: skip
    model = ir.from_proto(proto)
    np.testing.assert_allclose(_run(model, feeds)["y"], Session(model).run(feeds)["y"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("start", "end", "step"), [(1, 5, 2), (-3, 100, 1), (4, 0, -1), (-1, -100, -2)])
def test_slices(start: int, end: int, step: int) -> None:
    bounds = {name: np.array([value], np.int64) for name, value in zip("seaz", (start, end, 1, step), strict=True)}
    proto = models.build([models.node("Slice", ["x", *"seaz"], "y")], {"x": [2, 6]}, {"y": [2, None]}, bounds)
    feeds = {"x": np.arange(12, dtype=np.float32).reshape(2, 6)}
    model = ir.from_proto(proto)
    assert np.array_equal(_run(model, feeds)["y"], Session(model).run(feeds)["y"])


@pytest.mark.parametrize(
    "body",
    [
        "m = Greater(x, o)  y = Where(m, x, o)",
        "a = Less(x, o)  b = LessOrEqual(x, o)  c = Or(a, b)  d = Not(c)  y = Where(d, x, o)",
        "a = GreaterOrEqual(x, o)  b = Equal(x, x)  c = And(a, b)  y = Where(c, x, o)",
        "s = Shape(x)  c = ConstantOfShape <value = float[1] {2.5}> (s)  y = Add(x, c)",
        "s = Shape(x)  c = ConstantOfShape(s)  y = Sub(x, c)",
        "w = Constant <value = int64[2] {3, 1}> ()  e = Expand(o, w)  y = Add(x, e)",
        "n = Constant <value_int = 3> ()  z = Constant <value_int = 0> ()  i = Constant <value_int = 1> ()"
        "  r = Range(z, n, i)  f = Cast <to = 1> (r)  y = Mul(x, f)",
        "t = Constant <value_ints = [1, 2]> ()  y = Tile(x, t)",
        "y = Trilu(x)",
        "s = Shape(x)  i = Constant <value_int = 0> ()  n = Gather(s, i)  f = Cast <to = 1> (n)  y = Mul(x, f)",
        "k = Constant <value_int = -1> ()  y = Trilu <upper = 0> (x, k)",
    ],
)
def test_masks_and_shapes(body: str) -> None:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[3, 3] x, float[1] o) => (float[a, b] y) {{ {body} }}'
    model = ir.from_proto(onnx.parser.parse_model(text))
    feeds = {"x": np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32), "o": np.full(1, 0.25, np.float32)}
    assert np.array_equal(_run(model, feeds)["y"], Session(model).run(feeds)["y"])


def test_gradients_pass_through_rounding_and_are_0_beyond_the_grid() -> None:
    scale = {"s": np.array(0.5, np.float32), "z": np.array(3, np.uint8)}
    nodes = [models.node("QuantizeLinear", ["x", "s", "z"], "q"), models.node("DequantizeLinear", ["q", "s", "z"], "y")]
    model = ir.from_proto(models.build(nodes, {"x": [3]}, {"y": [3]}, scale))
    x = torch.tensor([-9.0, 0.3, 900.0], requires_grad=True)
    y = evaluate(list(model.graph), {"x": x})["y"]
    y.sum().backward()
    assert y.tolist() == [-1.5, 0.5, 126.0]
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(("pattern", "op"), sorted(UNSUPPORTED.items()))
def test_unsupported_operators_are_named_once(pattern: str, op: str) -> None:
    assert untranslatable(list(ir.from_proto(models.PATTERNS[pattern]()).graph)) == [op]


def test_without_pytorch_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(DependencyError, match=r"octavo\[torch\]"):
        octavo.torch.evaluate([], {})


def _run(model: ir.Model, feeds: models.Arrays) -> models.Arrays:
    nodes = list(model.graph)
    assert untranslatable(nodes) == []
    values = evaluate(nodes, {name: torch.tensor(array) for name, array in feeds.items()})
    return {name: tensor.numpy() for name, tensor in values.items()}


def _scales(model: ir.Model) -> list[ir.Value]:
    return [node.inputs[1] for node in model.graph if node.op_type == "QuantizeLinear"]
