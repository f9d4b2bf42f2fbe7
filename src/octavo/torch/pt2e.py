"""Models that PyTorch's export-based flow (pt2e, now in torchao) has quantized, as QDQ ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir

from octavo.errors import ModelError, OptionError
from octavo.torch.faults import one_line
from octavo.torch.qdq import finish
from octavo.torch.silence import silent
from octavo.torch.translate import pytorch

_NAMESPACE = "quantized_decomposed"
# Operators that only move or choose among numbers: what was on a grid stays on it.
_MOVES = {
    "aten::adaptive_max_pool2d", "aten::clone", "aten::expand", "aten::flatten", "aten::max_pool2d", "aten::permute",
    "aten::reshape", "aten::slice", "aten::squeeze", "aten::transpose", "aten::unsqueeze", "aten::view",
}  # fmt: skip


def from_pt2e(model: Any, args: Sequence[Any] = ()) -> ir.Model:
    """The QDQ ONNX model of what `convert_pt2e` returns: the same scales, zero points and integers.

    Weights are stored as integers, and biases beside integer operands as int32 at input scale times weight
    scale, as Octavo's own models have them. Bounds narrower than the type become a Clip in front of the
    QuantizeLinear, unless the values were inside them already.

    Args:
        model: the module that `convert_pt2e` returned, or the ExportedProgram made of it with dynamic shapes.
        args: sample inputs to export a module with, float32 tensors as it takes them; not for a program.

    Raises:
        DependencyError: PyTorch is not installed.
        OptionError: a module came without sample inputs.
        ModelError: the model holds no quantize operators of pt2e, quantizes with parameters that are
            computed at run time, or PyTorch cannot export it.
    """
    torch = pytorch()
    with silent():
        program = _exported(torch, model, args)
        _check(program)
        try:
            program = program.run_decompositions({})
            _bound(torch, program)
            found = torch.onnx.export(program, dynamo=True, verbose=False).model
        except Exception as error:
            raise ModelError(f"PyTorch cannot export the quantized model to ONNX ({one_line(error)})") from None
        return finish(found)


def _exported(torch: Any, model: Any, args: Sequence[Any]) -> Any:
    if isinstance(model, torch.export.ExportedProgram):
        return model
    if not args:
        raise OptionError("a module needs sample inputs to be exported with; give them, or an ExportedProgram")
    try:
        return torch.export.export(model, tuple(args))
    except Exception as error:
        raise ModelError(f"torch.export cannot trace the quantized module ({one_line(error)})") from None


def _check(program: Any) -> None:
    """Refuse what has no quantize operators, and what computes their parameters while it runs."""
    found = [node for node in program.graph.nodes if _name(node).startswith(_NAMESPACE)]
    if not found:
        raise ModelError(
            f"the program has no {_NAMESPACE} operators; give what convert_pt2e returned, calibrated before it"
        )
    for node in found:
        if "choose_qparams" in _name(node) or node.target._overloadname.startswith("tensor"):
            raise ModelError(
                f"'{node.name}' of the program takes a scale that is computed at run time; quantize it statically, "
                "with is_dynamic=False"
            )


def _name(node: Any) -> str:
    """The operator's qualified name, without its overload; empty for nodes that call none."""
    schema = getattr(node.target, "_schema", None)
    return "" if node.op != "call_function" or schema is None else str(schema.name)


def _bound(torch: Any, program: Any) -> None:
    """Write bounds narrower than their type as a clamp: ONNX's QuantizeLinear knows those of the type only.

    The exporter itself writes those of quantize_per_channel, behind the integers.
    """
    graph = program.graph
    for node in list(graph.nodes):
        if _name(node) != f"{_NAMESPACE}::quantize_per_tensor":
            continue
        source, scale, zero_point, low, high, dtype = node.args
        ends = torch.iinfo(dtype)
        if (low <= ends.min and high >= ends.max) or _on_grid(node):
            continue
        with graph.inserting_before(node):
            reals = ((low - zero_point) * scale, (high - zero_point) * scale)
            clamp = graph.call_function(torch.ops.aten.clamp.default, (source, *reals))
            clamp.meta["val"] = source.meta["val"]
        node.replace_input_with(source, clamp)


def _on_grid(node: Any) -> bool:
    """Whether the values come, only moved, from integers with the same parameters."""
    source = node.args[0]
    while _name(source) in _MOVES:
        source = source.args[0]
    return _name(source) == f"{_NAMESPACE}::dequantize_per_tensor" and source.args[1:6] == node.args[1:6]
