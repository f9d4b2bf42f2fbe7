"""Build small float ONNX models, and run them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Arrays = dict[str, NDArray[Any]]

Shape = Sequence[int | str | None]

ONE = np.ones((), np.float32)


def random(*shape: int, seed: int = 0, spread: float = 1.0) -> NDArray[np.float32]:
    """Normal float32 numbers; scaled so that a layer with these weights keeps its input's variance."""
    fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 4
    values = np.random.default_rng([seed, *shape]).normal(size=shape) * spread / np.sqrt(fan_in)
    return values.astype(np.float32)


def build(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape],
    outputs: Mapping[str, Shape],
    weights: Mapping[str, NDArray[Any]] | None = None,
    *,
    opset: int = 17,
    functions: Sequence[onnx.FunctionProto] = (),
    input_types: Mapping[str, int] | None = None,
    output_types: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A checked model; inputs and outputs are float unless typed otherwise."""
    input_types_by_name, output_types_by_name = input_types or {}, output_types or {}
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(n, input_types_by_name.get(n, TensorProto.FLOAT), s) for n, s in inputs.items()],
        [
            helper.make_tensor_value_info(n, output_types_by_name.get(n, TensorProto.FLOAT), s)
            for n, s in outputs.items()
        ],
        [numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(f.domain, 1) for f in functions)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions, producer_name="tests")
    model.ir_version = 10 if opset > 19 else 8
    onnx.checker.check_model(model)
    return model


def node(op: str, inputs: Sequence[str], output: str, **attributes: Any) -> onnx.NodeProto:
    """A node with one output and its name."""
    return helper.make_node(op, inputs, [output], name=f"{op.lower()}_{output}", **attributes)


def feeds(model: onnx.ModelProto, seed: int = 0, batch: int = 2) -> Arrays:
    """Random inputs: symbols become `batch`; integers run from 0 to 7."""
    rng, constants = np.random.default_rng(seed), {tensor.name for tensor in model.graph.initializer}
    arrays: Arrays = {}
    for value in model.graph.input:
        if value.name in constants:
            continue
        tensor = value.type.tensor_type
        shape = [dim.dim_value or batch for dim in tensor.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        arrays[value.name] = (
            rng.normal(size=shape).astype(dtype) if dtype.kind == "f" else rng.integers(0, 8, shape).astype(dtype)
        )
        if dtype.kind == "b":
            arrays[value.name] = np.ones(shape, dtype)
    return arrays


def run(model: onnx.ModelProto, inputs: Arrays, outputs: Sequence[str] | None = None) -> Arrays:
    """The outputs in ONNX Runtime without graph optimizations."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = list(outputs) if outputs is not None else [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs), strict=True))
