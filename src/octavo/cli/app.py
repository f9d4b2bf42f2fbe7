"""The command line: parses, calls, prints."""

from __future__ import annotations

import io
import os
import shlex
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from octavo.errors import BudgetNotMet, DataError, OctavoError, OptionError
from octavo.report.terminal.console import stderr, stdout

app = typer.Typer(
    name="octavo",
    help="Post-training quantization: an FP32 model and a little data in, a verified INT8 model out.",
    add_completion=False,
    pretty_exceptions_enable=False,
)

_INTERRUPTED = 130
_BUNDLE = ".oct"
# The parent of all mistakes that Typer finds; click's own or Typer's copy of it, as the version has it.
_USAGE: Any = typer.BadParameter.__mro__[2]

ModelPath = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="An ONNX file, or package.module:factory of PyTorch.", show_default=False),
]
TargetName = Annotated[
    str, typer.Option("--target", "-t", help="What to quantize for; a name, auto, or a target file.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Node name, regular expression or operator type to leave in float; repeatable."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads of ONNX Runtime.", show_default=False)]
NativeThreads = Annotated[int, typer.Option("--threads", min=1, max=256, help="Threads that share the work.")]
InputScale = Annotated[
    float | None, typer.Option("--input-scale", help="Stored integers become x * scale + offset.", show_default=False)
]
InputOffset = Annotated[float, typer.Option("--input-offset", help="The offset that goes with --input-scale.")]
ImageSize = Annotated[
    str | None, typer.Option("--image-size", help="Resize images to HEIGHTxWIDTH.", show_default=False)
]
Mean = Annotated[str | None, typer.Option("--mean", help="Image mean, one number a channel: 0.5,0.5,0.5")]
Std = Annotated[str | None, typer.Option("--std", help="Image standard deviation, one number a channel.")]
Layout = Annotated[str, typer.Option("--layout", help="Order of the model's image axes: NCHW or NHWC.")]
BatchSize = Annotated[int | None, typer.Option("--batch-size", min=1, help="Samples a run.", show_default=False)]
Report = Annotated[
    Path | None, typer.Option("--report", help="Write an HTML page that shows the result.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite output files that exist.")]


@app.command()
def quantize(
    context: typer.Context,
    model: ModelPath,
    calibration: Annotated[
        Path, typer.Option("--calibration", "-c", help="Samples: .npz, .npy or a folder of images.", show_default=False)
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The INT8 model to write.", show_default=False)],
    evaluate: Annotated[
        Path | None, typer.Option("--evaluate", "-e", help="Held-out samples, with labels if there are any.")
    ] = None,
    target: TargetName = "auto",
    metric: Annotated[
        str | None,
        typer.Option("--metric", help="top1, top5, auc, mse, psnr, cosine, agreement or module:function."),
    ] = None,
    exclude: Exclude = None,
    estimator: Annotated[
        str | None, typer.Option("--estimator", help="minmax, percentile[:P], mse, entropy, moving_average, ...")
    ] = None,
    max_drop: Annotated[
        float | None,
        typer.Option("--max-drop", help="How much the metric may lose; the ladder is climbed as far as that needs."),
    ] = None,
    rungs: Annotated[
        str | None, typer.Option("--rungs", help="Rungs to try: auto, none, or some as equalize,correct.")
    ] = None,
    weight_bits: Annotated[int | None, typer.Option("--weight-bits", help="Bits of the weights: 8, 6 or 4.")] = None,
    activation_bits: Annotated[
        int | None, typer.Option("--activation-bits", help="Bits of the activations: 16, 8 or 4.")
    ] = None,
    block_size: Annotated[
        int | None, typer.Option("--block-size", help="Weights that share a scale, for weight-only targets.")
    ] = None,
    allow_training: Annotated[
        bool, typer.Option("--allow-training", help="Let the last rung train for more than a few minutes.")
    ] = False,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", help="Decisions: read if the file exists, else written.")
    ] = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write the whole result there.")] = None,
    report: Report = None,
    input_scale: InputScale = None,
    input_offset: InputOffset = 0.0,
    image_size: ImageSize = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "NCHW",
    samples: Annotated[int | None, typer.Option("--samples", min=1, help="Calibrate on the first so many.")] = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the resampling behind intervals.")] = 0,
    force: Force = False,
) -> None:
    """Quantize a model, measure what that cost, and write it."""
    known = recipe is not None and recipe.exists()
    _check_outputs([output, json, report, None if known else recipe], [model, calibration, evaluate], force)
    _check_page(report)
    from octavo.measure import Evaluation
    from octavo.measure.metrics import metric as find_metric
    from octavo.pipeline.quantize import quantize as run
    from octavo.report.terminal.progress import watcher
    from octavo.report.terminal.result import show_result

    if metric is not None and evaluate is None:
        raise OptionError("--metric needs --evaluate; give held-out samples to measure on")
    chosen = None if metric is None else find_metric(metric)
    float_model = _model(model)
    with watcher() as progress:
        result = run(
            float_model,
            calibration,
            target,
            evaluate=None if evaluate is None else Evaluation(evaluate, chosen),
            exclude=exclude or (),
            estimator=estimator,
            recipe=recipe if known else None,
            preprocess=_preprocess(input_scale, input_offset, image_size, mean, std, layout),
            limit=samples,
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
    result.command = shlex.join(["octavo", *context.obj])
    result.save(output, overwrite=force)
    if recipe is not None and not known:
        result.recipe.write(recipe)
    if json is not None:
        result.write_json(json)
    if report is not None:
        result.report(report, title=output.name, overwrite=force)
    show_result(stdout(), result, output)
    if result.verdict is not None and result.verdict.kind == "not met":
        raise BudgetNotMet(f"{result.verdict.sentence}; {output} holds the best model found")


@app.command()
def report(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="What --json wrote.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page to write; RESULT with .html by default.")
    ] = None,
    force: Force = False,
) -> None:
    """Make the HTML page of a result that was written as JSON."""
    from octavo.report.html import read_result, result_page
    from octavo.report.terminal.console import stdout
    from octavo.system.files import write_text

    path = output or result.with_suffix(".html")
    _check_outputs([path], [result], force)
    write_text(path, result_page(read_result(result), result.stem))
    stdout().print(f"{escape(str(path))} shows {escape(str(result))}", soft_wrap=True)


@app.command()
def explain(
    bounds: Annotated[
        tuple[float, float] | None, typer.Option("--range", metavar="LOW HIGH", help="The real range to map.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Take the range from an array: .npy, .npz or .onnx.")
    ] = None,
    tensor: Annotated[str | None, typer.Option("--tensor", help="Which array of the file.")] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="The grid: int8, uint8, int4, int8[-127,127], ...")] = "int8",
    symmetric: Annotated[bool, typer.Option("--symmetric", help="Fix the zero point at the grid's middle.")] = False,
    axis: Annotated[int | None, typer.Option("--axis", help="One scale for each channel along this axis.")] = None,
    value: Annotated[list[float] | None, typer.Option("--value", help="Map a value and back; repeatable.")] = None,
) -> None:
    """Show the derivation of scale and zero point, step by step."""
    import numpy as np

    from octavo.affine import Grid, derive, params_from_array
    from octavo.data.array_files import read_tensor
    from octavo.report.terminal.derivation import show_channels, show_derivation

    if (bounds is None) == (weights is None):
        raise OptionError("give either --range LOW HIGH or --weights FILE")
    if axis is not None and weights is None:
        raise OptionError("--axis needs --weights; a range has no channels")
    grid, console = Grid.parse(dtype), stdout()
    with np.errstate(over="ignore"):
        array = np.asarray(bounds, np.float32) if weights is None else read_tensor(weights, tensor)
    if array.size == 0 or not bool(np.isfinite(array).all()):
        raise DataError("the array is empty or holds NaN or infinity; give finite numbers")
    channels = None if axis is None else params_from_array(array, grid, symmetric=symmetric, axis=axis)
    low, high = bounds or (float(array.min()), float(array.max()))
    show_derivation(console, derive(low, high, grid, symmetric=symmetric, values=value or ()))
    if axis is not None and channels is not None:
        show_channels(console, array, channels, axis % array.ndim)


@app.command()
def targets() -> None:
    """Show what each target accepts."""
    from octavo.report.terminal.targets import show_targets
    from octavo.targets import target, target_names, this_machine

    show_targets(stdout(), [target(name) for name in target_names()], this_machine())


@app.command("compile")
def compile_bundle(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="What quantize wrote.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The bundle to write.", show_default=False)],
    batch: Annotated[
        int | None,
        typer.Option("--batch", min=1, help="Fix a dynamic first axis at this size.", show_default=False),
    ] = None,
    dim: Annotated[
        list[str] | None,
        typer.Option(
            "--dim", help="Fix a dynamic dimension, as NAME=SIZE, or bound it, as NAME=LEAST..MOST; repeatable."
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Compile a quantized model into a bundle for the native runtime.

    Dynamic dimensions stay open, so that the bundle takes inputs of any length.
    """
    _check_outputs([output], [model], force)
    from octavo.compiler import compile_model
    from octavo.report.text import size
    from octavo.system.files import write_bytes

    content = compile_model(model, batch=batch, dims=dict(_dim_or_bounds(text) for text in dim or ()))
    write_bytes(output, content)
    stdout().print(f"{escape(str(output))} holds {escape(str(model))} in {size(len(content))}", soft_wrap=True)


@app.command("run")
def run_bundle(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What compile wrote.", show_default=False)],
    given: Annotated[
        Path, typer.Option("--input", "-i", help="The input as .npy, or several by name as .npz.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The output as .npy, or all by name as .npz.", show_default=False)
    ],
    threads: NativeThreads = 1,
    force: Force = False,
) -> None:
    """Run a bundle once."""
    _check_outputs([output], [bundle, given], force)
    from octavo.data.array_files import read_arrays, write_arrays
    from octavo.engines.native import load

    session = load(bundle, threads=threads)
    results = session.run(read_arrays(given, [spec.name for spec in session.inputs]))
    write_arrays(output, results)
    stdout().print(f"{escape(str(output))} holds {escape(', '.join(results))}", soft_wrap=True)


@app.command()
def inspect(model: ModelPath, target: TargetName = "auto", exclude: Exclude = None) -> None:
    """Show a model's operators, which become integers and which do not and why, sizes, and overflow bounds.

    Of a bundle: its operators and its memory plan.
    """
    if model.suffix == _BUNDLE:
        _inspect_bundle(model)
        return
    from octavo.pipeline.inspection import inspect as look
    from octavo.report.terminal.inspection import show_inspection
    from octavo.targets import target as find_target

    show_inspection(stdout(), look(_model(model), find_target(target), exclude or ()))


@app.command()
def compare(
    models: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B...", help="The model to compare with, then others, quantized or not.", show_default=False
        ),
    ],
    data: Annotated[Path, typer.Option("--data", "-d", help="Samples: .npz, .npy or a folder of images.")],
    report: Report = None,
    input_scale: InputScale = None,
    input_offset: InputOffset = 0.0,
    image_size: ImageSize = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "NCHW",
    samples: Annotated[int, typer.Option("--samples", min=1, help="Compare on the first so many.")] = 64,
    force: Force = False,
) -> None:
    """Compare models with the first one: outputs, and layer by layer SQNR and cosine."""
    if len(models) < 2:
        raise OptionError(f"there is only {models[0]} to compare; name another model behind it")
    _check_outputs([report], [*models, data], force)
    _check_page(report)
    from octavo.data import open_samples
    from octavo.graph import input_specs, load, stored_bytes
    from octavo.measure.compare import compare as run
    from octavo.report.html import comparison_page
    from octavo.report.terminal.comparison import show_comparisons
    from octavo.report.terminal.progress import watcher
    from octavo.report.text import size
    from octavo.system.files import write_text

    first, *others = loaded = [load(path) for path in models]
    preprocess = _preprocess(input_scale, input_offset, image_size, mean, std, layout)
    opened = open_samples(data, input_specs(first), preprocess=preprocess, limit=samples)
    with watcher() as progress:
        found = [run(first, each, opened, progress=progress) for each in others]
    names = [str(path) for path in models]
    if report is not None:
        sizes = [size(stored_bytes(each)) for each in loaded]
        write_text(report, comparison_page(names[0], names[1:], found, sizes))
    show_comparisons(stdout(), names[1:], found)


@app.command()
def bench(
    models: Annotated[
        list[Path], typer.Argument(metavar="MODEL...", help="ONNX files, and bundles.", show_default=False)
    ],
    batch_size: Annotated[int, typer.Option("--batch-size", min=1, help="Samples a run.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            min=1,
            max=256,
            help="Threads; by default one for a bundle, and as ONNX Runtime chooses for others.",
            show_default=False,
        ),
    ] = None,
    dim: Annotated[
        list[str] | None, typer.Option("--dim", help="Size of a dynamic dimension, as NAME=SIZE; repeatable.")
    ] = None,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="About how long to measure.")] = 5.0,
    operators: Annotated[
        bool, typer.Option("--operators", help="Show which operators of the bundles take the time.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="Write all that was measured there.")] = None,
    force: Force = False,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Also the energy of a run: measured where that is possible, else estimated."),
    ] = False,
) -> None:
    """Time models in turn on random inputs: median and quartiles."""
    if operators and not any(path.suffix == _BUNDLE for path in models):
        raise OptionError("--operators needs a bundle among the models; make one with octavo compile")
    _check_outputs([json], [*models], force)
    from octavo.measure import latencies
    from octavo.measure.feeds import random_feeds
    from octavo.report.terminal.latency import bench_json, show_latencies
    from octavo.report.terminal.operators import show_operators
    from octavo.report.terminal.progress import watcher
    from octavo.system.files import write_text

    sessions, sizes = zip(*(_timed(path, threads) for path in models), strict=True)
    dims = dict(_dim(text) for text in dim or ())
    feeds = [random_feeds(session.inputs, batch_size, dims) for session in sessions]
    with watcher() as progress:
        found = latencies(sessions, feeds, seconds=seconds, progress=progress)
    show_latencies(
        stdout(), [str(path) for path in models], sizes, found, batch_size, _threads(models, threads), _engines(models)
    )
    costs = {
        path: session.time_operators(given, max(each.runs // 10, 3))
        for path, session, given, each in zip(models, sessions, feeds, found, strict=True)
        if operators and path.suffix == _BUNDLE
    }
    for path, each in costs.items():
        show_operators(stdout(), str(path), each)
    if json is not None:
        write_text(json, bench_json(models, sizes, found, batch_size, threads, costs))
    if energy:
        _show_energy(models, sessions, feeds, seconds)


def main() -> None:
    """Run the command line; mistakes of the user end in one sentence on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """The exit code of a command line: 0, 1 for our own faults, 2 for the user's, 3 for a budget not met."""
    try:
        code: Any = app(arguments or ["--help"], prog_name="octavo", standalone_mode=False, obj=arguments)
        if code == _INTERRUPTED:
            raise KeyboardInterrupt
        return 0 if arguments else 2
    except OctavoError as error:
        _complain(str(error))
        if error.exit_code == 1:
            traceback.print_exc()
        return error.exit_code
    except _USAGE as error:
        _complain(f"{error.format_message().rstrip('.')}; add --help to see the options")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        resumable = "quantize" in arguments[:1]
        _complain(f"interrupted; run the same command again{' to go on where calibration stopped' * resumable}")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of our tables left; there is nobody to complain to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        traceback.print_exc()
        _complain(f"this is a fault of Octavo ({type(error).__name__}: {error}); please report it with the lines above")
        return 1


def _complain(sentence: str) -> None:
    stderr().print(f"[red]octavo:[/] {escape(' '.join(sentence.split()))}")


def _inspect_bundle(path: Path) -> None:
    from octavo.compiler import read_bundle
    from octavo.engines.native import load
    from octavo.report.terminal.bundle import show_bundle

    # The runtime checks what is then read.
    session = load(path)
    show_bundle(stdout(), read_bundle(path.read_bytes()), session.memory_bytes)


def _timed(path: Path, threads: int | None) -> tuple[Any, int]:
    """An engine for a model or a bundle, and the bytes that it is stored in."""
    from octavo.engines.native import load as load_bundle
    from octavo.engines.onnxruntime import Session
    from octavo.graph import load, stored_bytes

    if path.suffix == _BUNDLE:
        return load_bundle(path, threads=threads or 1), path.stat().st_size
    model = load(path)
    return Session(model, threads=threads, saturate=True), stored_bytes(model)


def _show_energy(models: list[Path], sessions: Any, feeds: list[Any], seconds: float) -> None:
    """Of one run of each model: by the processor's counter, or an estimate where there is none to read."""
    from octavo.measure import EnergyCounter, energy_counter, estimate, joules
    from octavo.report.terminal.energy import show_estimated, show_measured

    names, counter = [str(path) for path in models], energy_counter()
    if isinstance(counter, EnergyCounter):
        show_measured(stdout(), names, joules(sessions, feeds, counter, seconds))
    else:
        works = [_work(path, inputs) for path, inputs in zip(models, feeds, strict=True)]
        show_estimated(stdout(), names, works, [estimate(work) for work in works], counter)


def _work(path: Path, feeds: Any) -> Any:
    """What a run of a model or a bundle has to do."""
    from octavo.compiler import read_bundle
    from octavo.compiler.work import bundle_work
    from octavo.graph import load
    from octavo.measure import model_work

    return bundle_work(read_bundle(path.read_bytes())) if path.suffix == _BUNDLE else model_work(load(path), feeds)


def _engines(models: list[Path]) -> str:
    """The engines that time these files."""
    from octavo.native import cpu

    bundles = [path.suffix == _BUNDLE for path in models]
    names = ["ONNX Runtime"] * (not all(bundles)) + [f"native ({cpu().runs})"] * any(bundles)
    return " and ".join(names)


def _threads(models: list[Path], threads: int | None) -> str:
    """How many threads each engine runs on."""
    from octavo.report.text import number_of

    bundles = [path.suffix == _BUNDLE for path in models]
    if threads is not None or all(bundles):
        return number_of(threads or 1, "thread")
    return f"{'1 thread native, ' * any(bundles)}threads as ONNX Runtime chooses ({os.cpu_count()} cores)"


def _model(path: Path) -> Any:
    """The path of a file, or the model that the user's own `package.module:factory` makes."""
    from octavo.torch import is_factory, made, to_onnx

    return to_onnx(*made(str(path))) if not path.exists() and is_factory(str(path)) else path


def _check_page(path: Path | None) -> None:
    """Refuse, before any work, a page that could not be drawn."""
    if path is not None:
        from octavo.report.html.library import altair, vega

        altair()
        vega()


def _check_outputs(outputs: list[Path | None], inputs: list[Path | None], force: bool) -> None:
    """Refuse, before any work, what could not be written or would overwrite something that is read."""
    read = [path for path in inputs if path is not None and path.exists()]
    written: set[Path] = set()
    for path in (path for path in outputs if path is not None):
        if path.exists() and any(path.samefile(each) for each in read):
            raise OptionError(f"{path} is the model itself or its data; choose another output")
        if path.resolve() in written:
            raise OptionError(f"{path} is named for two outputs; choose another path for one of them")
        written.add(path.resolve())
        _check_output(path, force)


def _check_output(path: Path, force: bool) -> None:
    if path.is_dir():
        raise OptionError(f"{path} is a folder; name the file to write")
    if path.exists() and not force:
        raise OptionError(f"{path} exists; choose another path or add --force")
    if not path.parent.is_dir():
        raise OptionError(f"the folder of {path} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OptionError(f"the folder of {path} cannot be written; choose another path")


def _preprocess(
    scale: float | None, offset: float, size: str | None, mean: str | None, std: str | None, layout: str
) -> Any:
    from octavo.data import Preprocess

    return Preprocess(
        scale=scale,
        offset=offset,
        size=None if size is None else _size(size),
        mean=_numbers("--mean", mean),
        std=_numbers("--std", std),
        layout=layout,  # type: ignore[arg-type]
    )


def _size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    try:
        found = int(height), int(width or height)
    except ValueError:
        raise OptionError(f"--image-size {text} is not HEIGHTxWIDTH; write for example 224x224") from None
    if min(found) < 1:
        raise OptionError(f"--image-size {text} is empty; write for example 224x224")
    return found


def _numbers(option: str, text: str | None) -> tuple[float, ...] | None:
    try:
        return None if text is None else tuple(float(part) for part in text.split(","))
    except ValueError:
        raise OptionError(f"{option} {text} is not a list of numbers; write for example 0.5,0.5,0.5") from None


def _dim_or_bounds(text: str) -> tuple[str, int | tuple[int, int]]:
    name, _, bounds = text.partition("=")
    least, dots, most = bounds.partition("..")
    if not dots:
        return _dim(text)
    if not name or not least.isdigit() or not most.isdigit():
        raise OptionError(f"--dim {text} is not NAME=LEAST..MOST; write for example sequence=1..512")
    return name, (int(least), int(most))


def _dim(text: str) -> tuple[str, int]:
    name, _, size = text.partition("=")
    if not name or not size.isdigit() or int(size) < 1:
        raise OptionError(f"--dim {text} is not NAME=SIZE; write for example sequence=128")
    return name, int(size)
