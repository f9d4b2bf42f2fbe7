"""The main job: quantize a float model and measure the result, as a chain of immutable stages."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.data import FilePath, Preprocess, SampleSource
from octavo.measure import Evaluation
from octavo.pipeline.assemble import assemble
from octavo.pipeline.measure import measure
from octavo.pipeline.options import Budget, merge_budget, resolve_options
from octavo.pipeline.prepare import prepare
from octavo.pipeline.recipe import Recipe
from octavo.pipeline.result import QuantizationResult
from octavo.pipeline.sources import DynamicShapes, ExampleInputs, ModelSource
from octavo.pipeline.state import quantize_prepared
from octavo.system.progress import Progress
from octavo.targets import Target


def quantize(
    model: ModelSource,
    calibration: SampleSource,
    target: str | Target = "auto",
    *,
    example_inputs: ExampleInputs | None = None,
    dynamic_shapes: DynamicShapes | None = None,
    evaluate: Evaluation | SampleSource | None = None,
    budget: Budget | None = None,
    exclude: Sequence[str] = (),
    estimator: str | None = None,
    recipe: FilePath | Recipe | None = None,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    checkpoint: FilePath | None = None,
    progress: Progress | None = None,
    verify: bool = True,
    max_drop: float | None = None,
    rungs: str | Sequence[str] | None = None,
    allow_training: bool = False,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    block_size: int | None = None,
) -> QuantizationResult:
    """Quantize a float32 model after training, and measure accuracy, size and latency.

    The stages are those of the code: resolve the options, prepare model and samples, quantize (and climb the accuracy
    ladder as far as the budget needs), measure, and assemble the result.

    Args:
        model: the path of an ONNX file, a model in memory (onnx_ir or onnx ModelProto), or a PyTorch network: an
            `nn.Module`, which is exported in eval mode and not changed, or a `torch.export.ExportedProgram`.
        calibration: samples to take ranges from: the path of a .npz, a .npy or a folder of images; an array or a
            dict of arrays by input name, whose first axis counts samples; any iterable of dicts, arrays or tuples
            (a PyTorch DataLoader, a generator); or an ONNX Runtime CalibrationDataReader.
        target: a target's name, "auto" for this machine's, the path of a target file, or a Target, for example
            `octavo.targets.target("octavo", weight_bits=4)`.
        example_inputs: what the forward of an `nn.Module` takes: one tensor, a tuple, or a dict of keyword inputs.
            By default the first calibration samples, matched by the names of forward's arguments, else by order.
        dynamic_shapes: which axes of a module's inputs may vary, as for `torch.export.export`; by default the
            batch axis, where the network allows it.
        evaluate: held-out samples, as `octavo.evaluation.top1("eval.npz")` or another metric; bare data are judged
            by top1 with integer labels, and by agreement with the float model without labels.
        budget: how much the metric may drop, and which rungs of the accuracy ladder may be used. A third of the
            held-out samples, at most 2,000, selects rungs; the rest judges the result.
        exclude: node names, operator types, or regular expressions of node names to leave in float.
        estimator: range estimator of every activation ("minmax", "percentile:99.9", "mse", "entropy",
            "moving_average", "fbgemm_histogram"); by default the target's.
        recipe: decisions to follow: the path of a recipe file, or a Recipe.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first `limit` calibration samples only.
        batch_size: samples in a run.
        threads: threads of ONNX Runtime; by default its own choice.
        seed: seed of the resampling behind intervals.
        checkpoint: file that keeps the state of the calibration pass, which resumes from it; finished rungs are kept
            in a folder beside it.
        progress: receives progress events.
        verify: compare layers with the float model and time both models.
        max_drop: `Budget.max_drop`, for calls without `budget`.
        rungs: `Budget.rungs`, for calls without `budget`.
        allow_training: `Budget.allow_training`, for calls without `budget`.
        weight_bits: bits of the weights, for calls that name the target.
        activation_bits: bits of the activations, for calls that name the target.
        block_size: weights that share a scale, for calls that name a target with weights in blocks.

    Returns:
        The quantized model with all that was decided and measured.

    Raises:
        ModelError: the model cannot be read or exported, is quantized already, or nothing in it can be quantized.
        DataError: the samples do not fit the model.
        TargetError: the target is unknown, or the result would break one of its rules.
        OptionError: an option has a value that cannot be used.
        DependencyError: a package that this needs is not installed.
    """
    options = resolve_options(
        target,
        recipe,
        merge_budget(budget, max_drop, rungs, allow_training),
        evaluated=evaluate is not None,
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        block_size=block_size,
        exclude=exclude,
        estimator=estimator,
        seed=seed,
        preprocess=preprocess,
        limit=limit,
        batch_size=batch_size,
        threads=threads,
        checkpoint=checkpoint,
        progress=progress,
        verify=verify,
    )
    prepared = prepare(options, model, calibration, evaluate, example_inputs, dynamic_shapes)
    quantized = quantize_prepared(prepared)
    result = assemble(measure(quantized))
    quantized.forget_rungs()
    return result
