"""Read modules quantized with PyTorch's eager or FX flow as QDQ ONNX."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir
import torch
from torch import nn

from octavo.errors import ModelError
from octavo.graph import load
from octavo.torch.adopt.qdq import finish
from octavo.torch.export.faults import one_line
from octavo.torch.export.silence import silent

# The lowest opset with per-channel scales for which the exporter supports PyTorch's quantized operators.
_OPSET = 17


def from_quantized(module: nn.Module, args: Sequence[Any]) -> ir.Model:
    """Convert the result of `convert` or `convert_fx` to QDQ ONNX with the same scales, zero points and integers.

    PyTorch's quantized operators saturate to the bounds of quint8 even if the scales were chosen with
    `reduce_range`, so no Clip is inserted. Axis 0 is dynamic; other sizes are those of `args`. Inputs are named
    after the arguments of `forward`; outputs are `output`, or `output_0` and so on.

    Args:
        module: module with submodules of torch.ao.nn.quantized, in eval mode.
        args: sample inputs, float32 tensors.

    Raises:
        DependencyError: PyTorch is not installed.
        ModelError: the module has no quantized operators, or one that PyTorch cannot export.
    """
    with silent(), tempfile.TemporaryDirectory(prefix="octavo.") as folder:
        file = Path(folder) / "quantized.onnx"
        try:
            inputs, outputs = _names(module, args)
            # Only the TorchScript exporter supports PyTorch's quantized dtypes.
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


def _names(module: nn.Module, args: Sequence[Any]) -> tuple[list[str], list[str]]:
    """Names for the inputs and for the outputs, which are counted by running the module."""
    inputs = list(inspect.signature(module.forward).parameters)[: len(args)]
    result = module(*args)
    if not isinstance(result, tuple | list):
        return inputs, ["output"]
    return inputs, [f"output_{index}" for index in range(len(result))]
