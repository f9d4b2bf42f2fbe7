"""`octavo compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.options import Force, ImageSize, InputOffset, InputScale, Layout, Mean, Report, Std
from octavo.cli.outputs import check_outputs, check_page
from octavo.cli.preprocess import parse_preprocess
from octavo.errors import OptionError
from octavo.report.terminal.console import stdout


def command(
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
    check_outputs([report], [*models, data], force)
    check_page(report)
    from octavo.data import open_samples
    from octavo.graph import input_specs, load, stored_bytes
    from octavo.measure.compare import compare as run
    from octavo.report.html import comparison_page
    from octavo.report.terminal.comparison import show_comparisons
    from octavo.report.terminal.progress import watcher
    from octavo.report.text import size
    from octavo.system.files import write_text

    first, *others = loaded = [load(path) for path in models]
    preprocess = parse_preprocess(input_scale, input_offset, image_size, mean, std, layout)
    opened = open_samples(data, input_specs(first), preprocess=preprocess, limit=samples)
    with watcher() as progress:
        found = [run(first, each, opened, progress=progress) for each in others]
    names = [str(path) for path in models]
    if report is not None:
        sizes = [size(stored_bytes(each)) for each in loaded]
        write_text(report, comparison_page(names[0], names[1:], found, sizes))
    show_comparisons(stdout(), names[1:], found)
