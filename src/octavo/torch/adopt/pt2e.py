"""Read models quantized with PyTorch's export-based flow (pt2e, now in torchao) as QDQ ONNX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx_ir as ir
import torch
from torch import fx, nn
from torch.export import ExportedProgram

from octavo.errors import ModelError, OptionError
from octavo.torch.adopt.qdq import finish
from octavo.torch.export.faults import one_line
from octavo.torch.export.silence import silent

_NAMESPACE = "quantized_decomposed"
# Operators that move or select elements without changing them: quantized values stay on their grid.
_MOVES = {
    "aten::adaptive_max_pool2d", "aten::clone", "aten::expand", "aten::flatten", "aten::max_pool2d", "aten::permute",
    "aten::reshape", "aten::slice", "aten::squeeze", "aten::transpose", "aten::unsqueeze", "aten::view",
}  # fmt: skip


def from_pt2e(model: nn.Module | ExportedProgram, args: Sequence[Any] = ()) -> ir.Model:
    """Convert the result of `convert_pt2e` to QDQ ONNX with the same scales, zero points and integers.

    Weights are stored as integers, and biases of quantized layers as int32 at input scale times weight scale, as in
    Octavo's own models. Bounds narrower than the type become a Clip before the QuantizeLinear, unless the values
    are within them already.

    Args:
        model: module that `convert_pt2e` returned, or its ExportedProgram, which may have dynamic shapes.
        args: sample inputs to export a module with, float32 tensors; ignored for a program.

    Raises:
        DependencyError: PyTorch is not installed.
        OptionError: a module came without sample inputs.
        ModelError: the model has no quantize operators of pt2e, computes quantization parameters at run time,
            or cannot be exported by PyTorch.
    """
    with silent():
        program = _exported(model, args)
        _check(program)
        try:
            program = program.run_decompositions({})
            _clamp_to_bounds(program)
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
        except Exception as error:
            raise ModelError(f"PyTorch cannot export the quantized model to ONNX ({one_line(error)})") from None
        assert exported is not None
        return finish(exported.model)


def _exported(model: nn.Module | ExportedProgram, args: Sequence[Any]) -> ExportedProgram:
    if isinstance(model, ExportedProgram):
        return model
    if not args:
        raise OptionError("a module needs sample inputs to be exported with; give them, or an ExportedProgram")
    try:
        return torch.export.export(model, tuple(args))
    except Exception as error:
        raise ModelError(f"torch.export cannot trace the quantized module ({one_line(error)})") from None


def _check(program: ExportedProgram) -> None:
    """Raise ModelError if there are no quantize operators, or if one takes parameters computed at run time."""
    quantizers = [node for node in program.graph.nodes if _operator(node).startswith(_NAMESPACE)]
    if not quantizers:
        raise ModelError(
            f"the program has no {_NAMESPACE} operators; give what convert_pt2e returned, calibrated before it"
        )
    for node in quantizers:
        if "choose_qparams" in _operator(node) or node.target._overloadname.startswith("tensor"):
            raise ModelError(
                f"'{node.name}' of the program takes a scale that is computed at run time; quantize it statically, "
                "with is_dynamic=False"
            )


def _operator(node: fx.Node) -> str:
    """Qualified name of the node's operator, without overload; empty if the node calls none."""
    schema = getattr(node.target, "_schema", None)
    return "" if node.op != "call_function" or schema is None else str(schema.name)


def _clamp_to_bounds(program: ExportedProgram) -> None:
    """Insert a clamp for bounds narrower than the type: ONNX's QuantizeLinear saturates to the type only.

    The exporter itself does so for quantize_per_channel, after the QuantizeLinear.
    """
    graph = program.graph
    for node in list(graph.nodes):
        if _operator(node) != f"{_NAMESPACE}::quantize_per_tensor":
            continue
        source, scale, zero_point, low, high, dtype = node.args
        bounds = torch.iinfo(dtype)
        if (low <= bounds.min and high >= bounds.max) or _is_on_grid(node):
            continue
        with graph.inserting_before(node):
            reals = ((low - zero_point) * scale, (high - zero_point) * scale)
            clamp = graph.call_function(torch.ops.aten.clamp.default, (source, *reals))
            clamp.meta["val"] = source.meta["val"]
        node.replace_input_with(source, clamp)


def _is_on_grid(node: fx.Node) -> bool:
    """Whether the input is dequantized with the same parameters, ignoring operators that move elements."""
    source: Any = node.args[0]
    while _operator(source) in _MOVES:
        source = source.args[0]
    return _operator(source) == f"{_NAMESPACE}::dequantize_per_tensor" and source.args[1:6] == node.args[1:6]
