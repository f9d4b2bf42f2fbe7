"""`octavo quantize`."""

from __future__ import annotations

import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.flags import flags_of, with_flags
from octavo.cli.models import open_model
from octavo.cli.options import (
    BatchSize,
    Exclude,
    ImageSize,
    InputOffset,
    InputScale,
    Layout,
    Mean,
    ModelPath,
    Overwrite,
    Report,
    Std,
    TargetName,
    Threads,
)
from octavo.cli.outputs import check_outputs, check_page
from octavo.cli.preprocess import parse_preprocess
from octavo.errors import BudgetNotMet, OptionError
from octavo.report.terminal.console import stdout


def command(
    context: typer.Context,
    model: ModelPath,
    calibration: Annotated[
        Path,
        typer.Option(
            "--calibration", "-c", help="Calibration samples: .npz, .npy or a folder of images.", show_default=False
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Quantized model to write: .onnx, or .oct for a bundle.", show_default=False
        ),
    ],
    evaluate: Annotated[
        Path | None, typer.Option("--evaluate", "-e", help="Held-out samples, with labels if available.")
    ] = None,
    target: TargetName = "auto",
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="Metric (top1, mse, agreement, ...), OUTPUT:METRIC, or module:function.",
        ),
    ] = None,
    exclude: Exclude = None,
    estimator: Annotated[
        str | None, typer.Option("--estimator", help="Range estimator: minmax, percentile[:P], mse, entropy, ...")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option("--max-drop", help="Budget: largest drop of the metric; rungs are tried until it is met."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 3 also where the samples cannot tell whether the budget is met.")
    ] = False,
    rungs: Annotated[
        str | None, typer.Option("--rungs", help="Rungs to try: auto, none, or a list such as equalize,correct.")
    ] = None,
    weight_bits: Annotated[int | None, typer.Option("--weight-bits", help="Bits of the weights: 8, 6 or 4.")] = None,
    activation_bits: Annotated[
        int | None, typer.Option("--activation-bits", help="Bits of the activations: 16, 8 or 4.")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option("--block-size", help="Weights per scale, for weight-only targets.")
    ] = None,
    allow_training: Annotated[
        bool, typer.Option("--allow-training", help="Allow the last rung to train for more than five minutes.")
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Recipe file: followed if it exists, else written.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the whole result as JSON to this file.")] = None,
    report: Report = None,
    input_scale: InputScale = None,
    input_offset: InputOffset = 0.0,
    image_size: ImageSize = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "NCHW",
    limit: Annotated[int | None, typer.Option("--samples", min=1, help="Use the first N calibration samples.")] = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resampling for confidence intervals.")] = 0,
    output_format: Annotated[
        str | None, typer.Option("--format", help="Output format, qdq or bundle; by default that of the suffix.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Quantize a model, measure the result, and write it."""
    follow = recipe is not None and recipe.exists()
    check_outputs([output, json, report, None if follow else recipe], [model, calibration, evaluate], overwrite)
    check_page(report)
    import octavo
    from octavo.export import find_format
    from octavo.measure.metrics import metric as find_metric
    from octavo.report.terminal.progress import watcher
    from octavo.report.terminal.result import show_result

    if metric is not None and evaluate is None:
        raise OptionError("--metric needs --evaluate; give held-out samples to measure on")
    if strict and max_drop is None:
        raise OptionError("--strict needs --max-drop; give the budget that must be met")
    find_format(output, output_format)
    chosen = None if metric is None else find_metric(metric)
    source = open_model(model)
    with watcher() as progress:
        result = octavo.quantize(
            source,
            calibration,
            target,
            evaluate=None if evaluate is None else octavo.Evaluation(evaluate, chosen),
            exclude=exclude or (),
            estimator=estimator,
            recipe=recipe if follow else None,
            preprocess=parse_preprocess(input_scale, input_offset, image_size, mean, std, layout),
            limit=limit,
            batch_size=batch_size,
            threads=threads,
            seed=seed,
            checkpoint=output.with_name(f".{output.name}.checkpoint"),
            progress=progress,
            max_drop=max_drop,
            rungs=rungs,
            weight_bits=weight_bits,
            activation_bits=activation_bits,
            block_size=block_size,
            allow_training=allow_training,
        )
    result = replace(result, command=shlex.join(["octavo", *context.obj]))
    result.save(output, output_format, overwrite=overwrite)
    if recipe is not None and not follow:
        result.recipe.write(recipe)
    if json is not None:
        result.write_json(json)
    if report is not None:
        result.report(report, title=output.name, overwrite=overwrite)
    flags = flags_of(context.find_root().command)
    show_result(stdout(partial(with_flags, flags=flags)), result.to_dict(), output)
    failed = ("not met", "cannot tell") if strict else ("not met",)
    if result.verdict is not None and result.verdict.kind in failed:
        raise BudgetNotMet(f"{result.verdict.sentence}; {output} holds the best model found")
