"""Lower a whole graph; unsupported operators are collected and reported in one error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from octavo.compiler.bundle import DTYPES
from octavo.compiler.kinds import SHORTS
from octavo.compiler.lower.lowering import Lowering, any_rejected, like, static_shape
from octavo.compiler.lower.registry import OPERATORS
from octavo.compiler.lower.values import Constant, LoweredValue, Plain, Rejected, Unsupported
from octavo.compiler.panels import WeightPacker
from octavo.compiler.program import Operation, Place, Program, new_tensor, view
from octavo.errors import ModelError
from octavo.graph.constants import constant

_MAX_NAMES = 3
# Node names by operator type and reason.
_Refused = dict[tuple[str, str], list[str]]


def lower(model: ir.Model, packer: WeightPacker | None = None) -> Program:
    """Lower a model whose shapes are all static.

    Args:
        model: the model, in QDQ form.
        packer: packs weights; one that is shared by several lowerings of a model packs each weight once.

    Raises:
        ModelError: operators have no kernel; the message names all of them.
    """
    lowering = Lowering(model.opset_imports.get("", 0), OPERATORS, packer or WeightPacker())
    for name, value in model.graph.initializers.items():
        array = None if value.is_graph_input() else constant(value)
        if array is not None:
            lowering.values[value] = Constant(_unpacked(array))
        elif not value.is_graph_input():
            raise ModelError(f"the constant '{name}' has no values; export the model again")
    refused: _Refused = {}
    _lower_inputs(lowering, model.graph)
    for node in model.graph:
        _lower_node(lowering, node, refused)
    for value in model.graph.outputs:
        _lower_output(lowering, value, refused)
    if refused:
        raise ModelError(f"the native runtime has no kernel for {_listed(refused)}; run this model in ONNX Runtime")
    return lowering.program


def _unpacked(array: np.ndarray) -> np.ndarray:
    """The array in its storage dtype, integers of 2 and 4 bits one per byte."""
    return array.astype(_storage_dtype(array.dtype))


def _storage_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype that stores the values: 8 bits for the 2 and 4-bit integers of ml_dtypes, else the same."""
    if dtype.name in ("int2", "int4"):
        return np.dtype(np.int8)
    return np.dtype(np.uint8) if dtype.name in ("uint2", "uint4") else dtype


def _lower_inputs(lowering: Lowering, graph: ir.Graph) -> None:
    for number, value in enumerate(graph.inputs):
        dtype = None if value.dtype is None else _storage_dtype(np.dtype(value.dtype.numpy()))
        if dtype not in DTYPES:
            supported = ", ".join(str(dtype) for dtype in DTYPES)
            raise ModelError(f"input '{value.name}' is of {dtype}; the native runtime takes {supported}")
        tensor = new_tensor(value.name or "", dtype, static_shape(value))
        tensor.buffer.place, tensor.buffer.offset = Place.INPUT, number
        lowering.program.inputs.append(tensor)
        lowering.values[value] = Plain(tensor)


def _lower_node(lowering: Lowering, node: ir.Node, refused: _Refused) -> None:
    inputs = [lowering.values[value] for value in node.inputs if value is not None]
    lowered: LoweredValue = Rejected()
    if not any_rejected(inputs):
        before = len(lowering.program.operations)
        try:
            lowered = _lowered(lowering, node)
            _check_16bit(lowering.program.operations[before:])
        except Unsupported as error:
            refused.setdefault((node.op_type, str(error)), []).append(node.name or "")
    elif node.domain or node.op_type not in OPERATORS:
        refused.setdefault((node.op_type, ""), []).append(node.name or "")
    for output in node.outputs:
        lowering.values.setdefault(output, lowered)


def _check_16bit(operations: Sequence[Operation]) -> None:
    """Refuse 16-bit tensors of operators without a 16-bit kernel."""
    for operation in operations:
        for tensor in (operation.output, *operation.inputs):
            if tensor.dtype.itemsize == 2 and operation.kind not in SHORTS:
                raise Unsupported(f"of {tensor.dtype}")


def _lowered(lowering: Lowering, node: ir.Node) -> LoweredValue:
    if node.op_type == "Constant" and "value" in node.attributes:
        return Constant(_unpacked(node.attributes["value"].as_tensor().numpy()))
    if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
        raise Unsupported("")
    return OPERATORS[node.op_type].lower(lowering, node)


def _lower_output(lowering: Lowering, value: ir.Value, refused: _Refused) -> None:
    if not any_rejected([lowering.values[value]]):
        try:
            _place_output(lowering, value)
        except Unsupported as error:
            refused.setdefault(("an output", str(error)), []).append(value.name or "")


def _place_output(lowering: Lowering, value: ir.Value) -> None:
    """Move the value's buffer to the output; a constant, an input or another output is copied."""
    number, program = len(lowering.program.outputs), lowering.program
    tensor = lowering.tensor(value)
    if tensor.dtype not in DTYPES:
        raise Unsupported(f"of {tensor.dtype}")
    if tensor.buffer.place is not Place.ARENA:
        tensor = program.add("Copy", value.name or "", [tensor], like(tensor, tensor.name, params=tensor.params))
    tensor.buffer.place, tensor.buffer.offset = Place.OUTPUT, number
    program.outputs.append(view(tensor, value.name or "", tensor.shape))


def _listed(refused: Mapping[tuple[str, str], list[str]]) -> str:
    """Operator types with their reasons and node names, as a comma-separated list."""
    parts = []
    for (op_type, reason), names in refused.items():
        listed = ", ".join(f"'{name}'" for name in names[:_MAX_NAMES])
        rest = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        parts.append(f"{op_type}{' ' * bool(reason)}{reason} ({listed}{rest})")
    return ", ".join(parts)
