"""Modules that PyTorch's eager or FX flow has quantized, as QDQ ONNX."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from octavo.errors import ModelError
from octavo.graph import load
from octavo.torch.faults import one_line
from octavo.torch.qdq import finish
from octavo.torch.silence import silent
from octavo.torch.translate import pytorch

# The first opset with per-channel scales in which the exporter knows PyTorch's quantized operators.
_OPSET = 17


def from_quantized(module: Any, args: Sequence[Any]) -> ir.Model:
    """The QDQ ONNX model of what `convert` or `convert_fx` returns: the same scales, zero points and integers.

    PyTorch's quantized operators keep to the bounds of quint8, whatever `reduce_range` the scales were
    chosen with, so the model needs no others. Sizes are those of `args`, but for the first axis. Inputs are
    named after the arguments of `forward`; outputs are `output`, or `output_0` and so on.

    Args:
        module: with submodules of torch.ao.nn.quantized, in evaluation mode.
        args: sample inputs, float32 tensors as the module takes them.

    Raises:
        DependencyError: PyTorch is not installed.
        ModelError: the module holds no quantized operators, or one that PyTorch cannot export.
    """
    torch = pytorch()
    with silent(), tempfile.TemporaryDirectory(prefix="octavo.") as folder:
        file = Path(folder) / "quantized.onnx"
        try:
            inputs, outputs = _names(module, args)
            # Tensors of PyTorch's own quantized types pass through the older exporter only.
            torch.onnx.export(
                module, tuple(args), str(file), dynamo=False, opset_version=_OPSET, input_names=inputs,
                output_names=outputs, dynamic_axes={name: {0: "N"} for name in (*inputs, *outputs)},
            )  # fmt: skip
        except Exception as error:
            raise ModelError(f"PyTorch cannot export the quantized module to ONNX ({one_line(error)})") from None
        model = finish(load(file))
    if not any(node.op_type == "DequantizeLinear" for node in model.graph):
        raise ModelError("the module has no quantized operators; give what convert or convert_fx returned")
    return model


def _names(module: Any, args: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Names of the inputs and of as many outputs as the module gives."""
    inputs = list(inspect.signature(module.forward).parameters)[: len(args)]
    result = module(*args)
    if not isinstance(result, tuple | list):
        return inputs, ["output"]
    return inputs, [f"output_{index}" for index in range(len(result))]
