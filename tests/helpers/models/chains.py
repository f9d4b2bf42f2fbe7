"""Chains of operators, for random tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import onnx
from onnx import TensorProto
from tests.helpers.models.building import Arrays, build, node, random
from tests.helpers.models.convolutions import batch_norm_weights

# Nodes from tensor `t<i>` to `t<i+1>`, both 4 x 4 x 4, so that any step can follow any other.
STEPS: dict[str, Callable[[int], onnx.NodeProto]] = {
    "Conv": lambda i: node("Conv", [f"t{i}", "w", "b"], f"t{i + 1}"),
    "Bare": lambda i: node("Conv", [f"t{i}", "w"], f"t{i + 1}"),
    "Deep": lambda i: node("Conv", [f"t{i}", "k"], f"t{i + 1}", group=4),
    "Wide": lambda i: node("ConvTranspose", [f"t{i}", "u", "b"], f"t{i + 1}", group=2),
    "Norm": lambda i: node("BatchNormalization", [f"t{i}", "gamma", "beta", "mean", "var"], f"t{i + 1}"),
    "Mul": lambda i: node("Mul", [f"t{i}", "m"], f"t{i + 1}"),
    "Line": lambda i: node("Mul", ["l", f"t{i}"], f"t{i + 1}"),
    "Add": lambda i: node("Add", ["m", f"t{i}"], f"t{i + 1}"),
    "Sub": lambda i: node("Sub", [f"t{i}", "m"], f"t{i + 1}"),
    "From": lambda i: node("Sub", ["m", f"t{i}"], f"t{i + 1}"),
    "Div": lambda i: node("Div", [f"t{i}", "m"], f"t{i + 1}"),
    "Relu": lambda i: node("Relu", [f"t{i}"], f"t{i + 1}"),
    "Skip": lambda i: node("Add", [f"t{i}", "t0"], f"t{i + 1}"),
    "Back": lambda i: node("Add", [f"t{i}", f"t{max(i - 1, 0)}"], f"t{i + 1}"),
    "Identity": lambda i: node("Identity", [f"t{i}"], f"t{i + 1}"),
    "Dropout": lambda i: node("Dropout", [f"t{i}"], f"t{i + 1}"),
    "Cast": lambda i: node("Cast", [f"t{i}"], f"t{i + 1}", to=TensorProto.FLOAT),
    "Turn": lambda i: node("Transpose", [f"t{i}"], f"t{i + 1}", perm=[0, 1, 3, 2]),
    "Roll": lambda i: node("Transpose", [f"t{i}"], f"t{i + 1}", perm=[0, 2, 3, 1]),
    "Product": lambda i: node("MatMul", [f"t{i}", "square"], f"t{i + 1}"),
    "Same": lambda i: node("Conv", [f"t{i}", "c"], f"t{i + 1}", pads=[1, 1, 1, 1]),
    "Pool": lambda i: node("MaxPool", [f"t{i}"], f"t{i + 1}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Mean": lambda i: node("AveragePool", [f"t{i}"], f"t{i + 1}", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
    "Sigmoid": lambda i: node("Sigmoid", [f"t{i}"], f"t{i + 1}"),
    "Both": lambda i: node("MatMul", [f"t{i}", f"t{max(i - 1, 0)}"], f"t{i + 1}"),
}


def chain(steps: Sequence[str], outputs: Collection[int] = ()) -> onnx.ModelProto:
    """The steps in sequence; the results of the steps with an index in `outputs` are also outputs."""
    nodes = [STEPS[step](i) for i, step in enumerate(steps)]
    weights: Arrays = {
        "w": random(4, 4, 1, 1),
        "b": random(4),
        "k": random(4, 1, 1, 1),
        "u": random(4, 2, 1, 1),
        "c": random(4, 4, 3, 3),
        "m": 1.0 + random(4, 1, 1) / 4,
        "l": 1.0 + random(4) / 4,
        "square": random(4, 4),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        **batch_norm_weights(4),
    }
    used = {name for step in nodes for name in step.input}
    used_weights = {name: array for name, array in weights.items() if name in used}
    shown = [*sorted(i for i in outputs if 0 < i < len(nodes)), len(nodes)]
    return build(nodes, {"t0": [1, 4, 4, 4]}, {f"t{i}": [1, 4, 4, 4] for i in shown}, used_weights)
