"""The main job as a caller sees it: what was said is made sense of, then the stages run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from octavo.data import Preprocess, first_inputs, open_samples
from octavo.errors import ModelError, OptionError
from octavo.graph import input_specs, load, source_files
from octavo.measure import Evaluation
from octavo.pipeline.job import Job
from octavo.pipeline.recipe import Recipe, read_recipe
from octavo.pipeline.result import QuantizationResult
from octavo.recover import Rung, rungs_named
from octavo.system.progress import Progress, Silent
from octavo.targets import Target
from octavo.targets import target as find_target
from octavo.torch import input_names, is_module, module_sha256, to_onnx


def quantize(
    model: str | os.PathLike[str] | ir.Model | Any,
    calibration: Any,
    target: str | Target = "auto",
    *,
    example_inputs: Any = None,
    dynamic_shapes: Any = None,
    evaluate: Evaluation | Any = None,
    exclude: Sequence[str] = (),
    estimator: str | None = None,
    recipe: str | os.PathLike[str] | Recipe | None = None,
    preprocess: Preprocess | None = None,
    limit: int | None = None,
    batch_size: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    verify: bool = True,
    max_drop: float | None = None,
    rungs: str | Sequence[str] | None = None,
    weight_bits: int | None = None,
    activation_bits: int | None = None,
    block_size: int | None = None,
    allow_training: bool = False,
) -> QuantizationResult:
    """Quantize a float32 model after training, and measure what that cost.

    Args:
        model: the path of an ONNX file, a model in memory (onnx_ir or onnx ModelProto), or a PyTorch network: an
            `nn.Module`, which is taken in eval mode and left as it is, or a `torch.export.ExportedProgram`.
        calibration: samples to take ranges from: the path of a .npz, a .npy or a folder of images; an
            array or a dict of arrays by input name, whose first axis counts samples; or any iterable of
            dicts, arrays or tuples (a PyTorch DataLoader, a generator), or an ONNX Runtime
            CalibrationDataReader.
        target: a target's name, "auto" for this machine's, the path of a target file, or a Target.
        example_inputs: what the forward of an `nn.Module` takes: one tensor, a tuple, or a dict of keyword inputs.
            By default the first calibration samples, matched by the names of forward's arguments, else by order.
        dynamic_shapes: which axes of a module's inputs may vary, as for `torch.export.export`; by default the
            batch axis, where the network allows it.
        evaluate: held-out samples, as `octavo.evaluation.top1("eval.npz")` or another of its kind; bare
            data take top1 with integer labels, and agreement with the float model without labels.
        exclude: node names, operator types, or regular expressions of node names to leave in float.
        estimator: how ranges are chosen ("minmax", "percentile:99.9", "mse", "entropy",
            "moving_average", "fbgemm_histogram"); the target's own choice by default.
        recipe: decisions to follow: the path of a recipe file, or a Recipe.
        preprocess: how stored numbers or images become model inputs.
        limit: use the first so many calibration samples only.
        batch_size: samples a run.
        threads: threads of ONNX Runtime; its own choice by default.
        seed: of the resampling behind intervals.
        checkpoint: a file that keeps the state of the calibration pass, from which it is resumed; finished
            rungs are kept in a folder beside it.
        progress: receives the course of the settings.
        verify: compare layers with the float model and time both models.
        max_drop: how much the metric may lose, in its unit. The ladder is climbed as far as that needs: a
            third of the evaluation data, at most 2,000 samples, chooses, and the rest judges.
        rungs: which rungs to try: "auto" (all, the default with `max_drop`), "none" (the default without),
            or some of them, as names in a list or parted by commas. Without `max_drop` all named are tried.
        weight_bits: width of the weights, where the target allows another than its own.
        activation_bits: width of the activations, likewise.
        block_size: weights that share a scale, for a target whose weights are in blocks.
        allow_training: let the last rung train for more than a few minutes; without, it says what it would take.

    Returns:
        The quantized model with all that was decided and measured.

    Raises:
        ModelError: the model cannot be read or exported, is quantized already, or nothing in it can be quantized.
        DataError: the samples do not fit the model.
        TargetError: the target is unknown, or the result would break one of its rules.
        OptionError: an option has a value that cannot be used.
        DependencyError: a package that this needs is not installed.
    """
    decided = _decisions(recipe)
    if max_drop is not None and evaluate is None:
        raise OptionError("a budget needs held-out samples to be judged by; give --evaluate with --max-drop")
    if max_drop is not None and not max_drop >= 0:
        raise OptionError(f"a budget of {max_drop:g} cannot be met by any model; give 0 or more")
    chosen_target = _target(target, decided)
    if (weight_bits, activation_bits) != (None, None):
        chosen_target = chosen_target.with_bits(weight_bits, activation_bits)
    if block_size is not None:
        chosen_target = chosen_target.with_block_size(block_size)
    job = Job(
        target=chosen_target,
        exclude=[*(decided.exclude if decided else ()), *exclude],
        estimator=estimator,
        recipe=decided,
        seed=decided.seed if decided else seed,
        threads=threads,
        batch_size=batch_size,
        progress=progress or Silent(),
        identify=evaluate is not None,
        budget=max_drop,
        rungs=_rungs(rungs, max_drop, decided),
        allow_training=allow_training,
    )
    with job.stage("prepare"):
        if is_module(model):
            job.module_sha256 = module_sha256(model)
            model = _exported(model, example_inputs, dynamic_shapes, calibration, preprocess)
        elif example_inputs is not None or dynamic_shapes is not None:
            raise OptionError(
                "example_inputs and dynamic_shapes are for PyTorch modules; leave them out for ONNX models"
            )
        files, loaded = _load(model)
        job.open(files, loaded)
    samples = open_samples(calibration, input_specs(loaded), preprocess=preprocess, limit=limit)
    evaluation = evaluate if evaluate is None or isinstance(evaluate, Evaluation) else Evaluation(evaluate)
    held_out = None if evaluation is None else open_samples(evaluation.data, input_specs(loaded), preprocess=preprocess)
    kept = None if checkpoint is None else Path(checkpoint)
    job.prepare_work(samples)
    if job.rungs and job.budget is None and rungs is None:
        job.follow(kept)
    elif job.rungs or job.budget is not None:
        evaluation = job.climb(evaluation, held_out, kept)
    else:
        job.quantize(kept)
    job.write_metadata(samples)
    if evaluation is not None:
        job.evaluate(evaluation, preprocess)
    if verify:
        job.verify(samples if held_out is None or held_out.one_pass else held_out)
    result = job.result(samples, held_out)
    if job.memory is not None and not any(step.withheld for step in job.steps):
        job.memory.forget()
    return result


def _rungs(names: str | Sequence[str] | None, budget: float | None, recipe: Recipe | None) -> list[Rung]:
    if names is None:
        names = recipe.rungs if recipe is not None and recipe.rungs else "none" if budget is None else "auto"
    return rungs_named(names)


def _decisions(recipe: str | os.PathLike[str] | Recipe | None) -> Recipe | None:
    if isinstance(recipe, str | os.PathLike):
        return read_recipe(Path(recipe))
    if recipe is not None:
        recipe.check()
    return recipe


def _target(target: str | Target, recipe: Recipe | None) -> Target:
    if isinstance(target, Target):
        return target
    return find_target(recipe.target if recipe is not None and target == "auto" else target)


def _exported(module: Any, given: Any, shapes: Any, calibration: Any, preprocess: Preprocess | None) -> ir.Model:
    """The module as ONNX; where no inputs were given, on the first calibration samples."""
    if given is None and hasattr(module, "forward"):
        given = first_inputs(calibration, *input_names(module), preprocess)
    return to_onnx(module, given, shapes)


def _load(model: Any) -> tuple[list[Path], ir.Model]:
    """The model, and the files it comes from; none where it was handed over in memory."""
    if isinstance(model, str | os.PathLike):
        loaded = load(model)
        return source_files(loaded), loaded
    if isinstance(model, ir.Model):
        return [], model
    if hasattr(model, "graph") and hasattr(model, "opset_import"):
        return [], ir.from_proto(model)
    raise ModelError(f"a model of type {type(model).__name__} cannot be read; give an ONNX file's path or a module")
