"""Stage 2: read or export the model, prepare its graph, and open the samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import onnx_ir as ir

import octavo.torch
from octavo.data import Preprocess, SampleSet, SampleSource, first_inputs, open_samples
from octavo.errors import ModelError, OptionError
from octavo.graph import input_specs
from octavo.graph import prepare as prepare_graph
from octavo.measure import Evaluation
from octavo.pipeline.model_source import read_model
from octavo.pipeline.options import Options
from octavo.pipeline.seconds import Seconds, timed
from octavo.pipeline.sources import DynamicShapes, ExampleInputs, ModelSource
from octavo.torch import input_names, is_module

if TYPE_CHECKING:
    from octavo.torch.detect import TorchModel

_QUANTIZED = {"QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"}


@dataclass(frozen=True)
class Prepared:
    """A float model ready to be quantized, and the samples to do it with.

    Attributes:
        options: the options.
        float_model: the model as read or exported.
        files: the files it was read from; none for a model in memory.
        module_sha256: digest of the PyTorch module; empty for an ONNX model.
        model: the prepared graph.
        samples: the calibration samples.
        evaluation: what to measure on which held-out data; None without.
        held_out: those data as samples of this model.
        seconds: wall time by stage.
    """

    options: Options
    float_model: ir.Model
    files: tuple[Path, ...]
    module_sha256: str
    model: ir.Model
    samples: SampleSet
    evaluation: Evaluation | None
    held_out: SampleSet | None
    seconds: Seconds


def prepare(
    options: Options,
    model: ModelSource,
    calibration: SampleSource,
    evaluate: Evaluation | SampleSource | None,
    example_inputs: ExampleInputs | None,
    dynamic_shapes: DynamicShapes | None,
) -> Prepared:
    """Read or export the model, prepare its graph, and open the samples; see `octavo.quantize` for the arguments.

    Raises:
        ModelError: the model cannot be read or exported, or is quantized.
        DataError: the samples do not fit the model.
        OptionError: arguments for PyTorch modules are given with an ONNX model.
        DependencyError: a package that this needs is not installed.
    """
    seconds: dict[str, float] = {}
    with timed(seconds, "prepare"):
        digest = ""
        onnx: object = model
        if is_module(model):
            digest = octavo.torch.module_sha256(model)
            onnx = _exported(model, example_inputs, dynamic_shapes, calibration, options.preprocess)
        elif example_inputs is not None or dynamic_shapes is not None:
            raise OptionError(
                "`example_inputs` and `dynamic_shapes` are for PyTorch modules; leave them out for ONNX models"
            )
        float_model, files = read_model(onnx)
        _check_float(float_model)
        prepared = prepare_graph(float_model, share_constants=options.target.weights_only)
    specs = input_specs(float_model)
    samples = open_samples(calibration, specs, preprocess=options.preprocess, limit=options.limit)
    evaluation = evaluate if evaluate is None or isinstance(evaluate, Evaluation) else Evaluation(evaluate)
    held_out = None if evaluation is None else open_samples(evaluation.data, specs, preprocess=options.preprocess)
    return Prepared(options, float_model, tuple(files), digest, prepared, samples, evaluation, held_out, seconds)


def _exported(
    module: TorchModel,
    example_inputs: ExampleInputs | None,
    dynamic_shapes: DynamicShapes | None,
    calibration: SampleSource,
    preprocess: Preprocess | None,
) -> ir.Model:
    """Export a module; the first calibration samples are the default example inputs."""
    examples: object = example_inputs
    if examples is None and hasattr(module, "forward"):
        examples = first_inputs(calibration, *input_names(module), preprocess)
    return octavo.torch.to_onnx(module, examples, dynamic_shapes)


def _check_float(model: ir.Model) -> None:
    node = next((node for node in model.graph if node.op_type in _QUANTIZED), None)
    if node is not None:
        raise ModelError(f"the model is quantized already ({node.op_type} '{node.name}'); give the float model")
