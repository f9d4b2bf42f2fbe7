"""A whole graph, operator by operator; what has no kernel is named all at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from octavo.compiler.bundle import DTYPES
from octavo.compiler.kinds import SHORTS
from octavo.compiler.lower.facts import Fact, Known, Lost, Real, Unsupported
from octavo.compiler.lower.lowering import Lowering, like, lost, static_shape
from octavo.compiler.lower.registry import HANDLERS, finish
from octavo.compiler.program import Operation, Place, Program, new_tensor, view
from octavo.errors import ModelError
from octavo.graph.constants import constant

_SHOWN = 3


def lower(model: ir.Model) -> Program:
    """The program of a model all of whose shapes are known.

    Raises:
        ModelError: some operators have no kernel; the sentence names all of them.
    """
    lowering = Lowering(model.opset_imports.get("", 0), finish)
    for name, value in model.graph.initializers.items():
        array = None if value.is_graph_input() else constant(value)
        if array is not None:
            lowering.facts[value] = Known(_plain(array))
        elif not value.is_graph_input():
            raise ModelError(f"the constant '{name}' has no values; export the model again")
    refused: dict[tuple[str, str], list[str]] = {}
    _lower_inputs(lowering, model.graph)
    for node in model.graph:
        _lower_node(lowering, node, refused)
    for value in model.graph.outputs:
        _try(lowering, value, refused)
    if refused:
        raise ModelError(f"the native runtime has no kernel for {_sentence(refused)}; run this model in ONNX Runtime")
    return lowering.program


def _plain(array: np.ndarray) -> np.ndarray:
    """Values in a type that is held: narrow integers one a byte."""
    return array.astype(_held(array.dtype))


def _held(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The type that holds integers of 2 or 4 bits, which are of no type of NumPy's own; of others, the type itself."""
    if dtype.name in ("int2", "int4"):
        return np.dtype(np.int8)
    return np.dtype(np.uint8) if dtype.name in ("uint2", "uint4") else dtype


def _lower_inputs(lowering: Lowering, graph: ir.Graph) -> None:
    for number, value in enumerate(graph.inputs):
        dtype = None if value.dtype is None else _held(np.dtype(value.dtype.numpy()))
        if dtype not in DTYPES:
            known = ", ".join(str(each) for each in DTYPES)
            raise ModelError(f"input '{value.name}' is of {dtype}; the native runtime takes {known}")
        tensor = new_tensor(value.name or "", dtype, static_shape(value))
        tensor.buffer.place, tensor.buffer.offset = Place.INPUT, number
        lowering.program.inputs.append(tensor)
        lowering.facts[value] = Real(tensor)


def _lower_node(lowering: Lowering, node: ir.Node, refused: dict[tuple[str, str], list[str]]) -> None:
    inputs = [lowering.facts[value] for value in node.inputs if value is not None]
    fact: Fact = Lost()
    if not lost(inputs):
        before = len(lowering.program.operations)
        try:
            fact = _handled(lowering, node)
            _check_shorts(lowering.program.operations[before:])
        except Unsupported as error:
            refused.setdefault((node.op_type, str(error)), []).append(node.name or "")
    elif node.domain or node.op_type not in HANDLERS:
        refused.setdefault((node.op_type, ""), []).append(node.name or "")
    for output in node.outputs:
        lowering.facts.setdefault(output, fact)


def _check_shorts(operations: Sequence[Operation]) -> None:
    """Refuse integers of 16 bits where a kernel has no place for them."""
    for each in operations:
        for tensor in (each.output, *each.inputs):
            if tensor.dtype.itemsize == 2 and each.kind not in SHORTS:
                raise Unsupported(f"of {tensor.dtype}")


def _handled(lowering: Lowering, node: ir.Node) -> Fact:
    if node.op_type == "Constant" and "value" in node.attributes:
        return Known(_plain(node.attributes["value"].as_tensor().numpy()))
    if node.domain not in ("", "ai.onnx") or node.op_type not in HANDLERS:
        raise Unsupported("")
    return HANDLERS[node.op_type](lowering, node)


def _try(lowering: Lowering, value: ir.Value, refused: dict[tuple[str, str], list[str]]) -> None:
    if not lost([lowering.facts[value]]):
        try:
            _place_output(lowering, value)
        except Unsupported as error:
            refused.setdefault(("an output", str(error)), []).append(value.name or "")


def _place_output(lowering: Lowering, value: ir.Value) -> None:
    """Let the value's buffer be the output itself; what already lies elsewhere is copied there."""
    number, program = len(lowering.program.outputs), lowering.program
    tensor = lowering.real(value)
    if tensor.dtype not in DTYPES:
        raise Unsupported(f"of {tensor.dtype}")
    if tensor.buffer.place is not Place.ARENA:
        tensor = program.add("Copy", value.name or "", [tensor], like(tensor, tensor.name, params=tensor.params))
    tensor.buffer.place, tensor.buffer.offset = Place.OUTPUT, number
    program.outputs.append(view(tensor, value.name or "", tensor.shape))


def _sentence(refused: Mapping[tuple[str, str], list[str]]) -> str:
    parts = []
    for (op, reason), names in refused.items():
        shown = ", ".join(f"'{name}'" for name in names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        parts.append(f"{op}{' ' * bool(reason)}{reason} ({shown}{more})")
    return ", ".join(parts)
