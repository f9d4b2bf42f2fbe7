"""Compile a quantized ONNX model into a bundle: fuse, lower, merge, plan the memory, serialize."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import onnx_ir as ir

from octavo.compiler.arena import plan_arena
from octavo.compiler.bundle import write_bundle
from octavo.compiler.dims import DEFAULT_MAX, Dims, InputDims, input_dims
from octavo.compiler.fuse import FUSIONS
from octavo.compiler.lower import lower
from octavo.compiler.merge import MERGES
from octavo.compiler.panels import WeightPacker
from octavo.compiler.program import Program
from octavo.compiler.qoperator import QOperatorToQdqPass
from octavo.compiler.sizes import FixedSizeError, lower_with_open_sizes
from octavo.compiler.static_shapes import fix_shapes
from octavo.errors import ModelError
from octavo.graph import load


def compile_model(
    model: ir.Model | str | os.PathLike[str], *, batch: int | None = None, dims: Dims | None = None
) -> bytes:
    """Compile a quantized model, in QDQ form as `octavo.quantize` writes it or in QOperator form, to a bundle.

    Up to two dynamic dimensions of the inputs stay open: a session accepts inputs of any length within their bounds.

    Args:
        model: the model, or the path of its file.
        batch: fixes a dynamic first axis at this length.
        dims: by the name of a dynamic dimension, its length, or the smallest and the largest it may have.

    Returns:
        The bytes of the bundle for the native runtime.

    Raises:
        ModelError: the model cannot be read, an input's shape is unknown, a dimension cannot stay open, or operators
            have no kernel, all of which the message names.
        OptionError: the model has no dynamic dimension of a name in `dims`, or bounds are invalid or missing.
    """
    qdq = model.clone() if isinstance(model, ir.Model) else load(model)
    QOperatorToQdqPass()(qdq)
    inputs = input_dims(qdq.graph, batch, dims or {})
    packer = WeightPacker()

    def compiled(open_lengths: Sequence[int]) -> Program:
        static = qdq.clone()
        fix_shapes(static, inputs.shapes, inputs.lengths(open_lengths))
        return compile_static(static, packer)

    program = _with_open_sizes(compiled, inputs) if inputs.open else compiled(())
    return write_bundle(program, plan_arena(program.operations))


def compile_static(model: ir.Model, packer: WeightPacker) -> Program:
    """The program of a QDQ model with static shapes: fused, lowered and merged.

    Raises:
        ModelError: operators have no kernel.
    """
    for fusion in FUSIONS:
        fusion(model)
    model.graph.sort()
    program = lower(model, packer)
    for merge in MERGES:
        program = merge(program).program
    return program


def _with_open_sizes(compiled: Callable[[Sequence[int]], Program], inputs: InputDims) -> Program:
    """The program with its sizes left open.

    Raises:
        ModelError: a size cannot stay open, or operators have no kernel.
    """
    samples = inputs.samples()
    try:
        return lower_with_open_sizes(compiled, inputs.open, samples, DEFAULT_MAX)
    except FixedSizeError as error:
        reason = str(error)
    except ModelError as error:
        reason = str(error)
        # If the model does not compile at fixed sizes either, that is the error to report.
        compiled(samples.defaults)
    names = " and ".join(f"'{size.name}'" for size in inputs.open)
    raise ModelError(f"{names} cannot stay open ({reason}); fix it with {inputs.arguments(samples.defaults)}")
